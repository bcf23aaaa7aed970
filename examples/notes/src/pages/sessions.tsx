import { useMutation, useQuery } from "@apollo/client/react";
import { AccountTabs } from "../components/account-tabs.tsx";
import { Action } from "../components/action.tsx";
import { Loaded } from "../components/loaded.tsx";
import { Time } from "../components/time.tsx";
import { graphql } from "../gql/index.ts";

const MY_SESSIONS = graphql(`
  query MySessions {
    mySessions(first: 100) {
      id
      lastUsedAt
      createdAt
      userAgent
      ipAddress
      current
    }
  }
`);

const REVOKE_SESSION = graphql(`
  mutation RevokeSession($id: ID!) {
    revokeSession(id: $id)
  }
`);

const REVOKE_OTHER_SESSIONS = graphql(`
  mutation RevokeOtherSessions {
    revokeOtherSessions
  }
`);

export function Sessions() {
  const query = useQuery(MY_SESSIONS, { fetchPolicy: "cache-and-network" });
  const change = { refetchQueries: [MY_SESSIONS], awaitRefetchQueries: true };
  const [revokeSession] = useMutation(REVOKE_SESSION, change);
  const [revokeOthers] = useMutation(REVOKE_OTHER_SESSIONS, change);
  return (
    <section>
      <title>Sessions · Notebook</title>
      <h1>Your account</h1>
      <AccountTabs />
      <p className="quiet">Where you are signed in.</p>
      <Loaded query={query}>
        {({ mySessions }) => (
          <>
            <ul className="cards">
              {mySessions.map(({ id, current, userAgent, ipAddress, createdAt, lastUsedAt }) => (
                <li key={id} className="card row">
                  <div>
                    <h2>
                      {deviceOf(userAgent)} {current && <span className="badge">This device</span>}
                    </h2>
                    <p className="quiet">
                      {ipAddress} · last used <Time at={lastUsedAt} /> · since <Time at={createdAt} />
                    </p>
                  </div>
                  {!current && (
                    <div className="buttons">
                      <Action action={() => revokeSession({ variables: { id } })}>Sign out there</Action>
                    </div>
                  )}
                </li>
              ))}
            </ul>
            {mySessions.length > 1 && (
              <Action action={() => revokeOthers()} className="danger">
                Sign out everywhere else
              </Action>
            )}
          </>
        )}
      </Loaded>
    </section>
  );
}

const BROWSERS = ["Edg", "OPR", "Firefox", "Chrome", "Safari"];
const SYSTEMS = ["Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux"];
const NAMES: Record<string, string> = { Edg: "Edge", OPR: "Opera", "Mac OS": "macOS" };

/** Such as “Firefox on Linux”. The order matters: most browsers name others too. */
function deviceOf(userAgent: string | null | undefined): string {
  const find = (list: string[]) => {
    const found = list.find((each) => userAgent?.includes(each));
    return found && (NAMES[found] ?? found);
  };
  return `${find(BROWSERS) ?? "An app"} on ${find(SYSTEMS) ?? "a device"}`;
}
