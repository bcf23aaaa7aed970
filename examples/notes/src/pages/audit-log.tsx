import { useQuery } from "@apollo/client/react";
import { Action } from "../components/action.tsx";
import { Loaded } from "../components/loaded.tsx";
import { Time } from "../components/time.tsx";
import { graphql } from "../gql/index.ts";
import { Link, useParameter } from "../router.tsx";

const AUDIT_EVENTS = graphql(`
  query AuditEvents($after: String, $userId: ID) {
    auditEvents(first: 50, after: $after, userId: $userId) {
      nodes {
        id
        at
        type
        actorId
        subjectId
        ipAddress
        details
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

const USERNAME = graphql(`
  query Username($id: ID!) {
    user(id: $id) {
      id
      username
    }
  }
`);

export function AuditLog() {
  const userId = useParameter("user") || null;
  const query = useQuery(AUDIT_EVENTS, { variables: { userId }, fetchPolicy: "cache-and-network" });
  return (
    <section>
      <title>Audit log · Notebook</title>
      <h1>Audit log</h1>
      {userId && (
        <p>
          Only what concerns <Username id={userId} />. <Link to="/audit-log">Show everything</Link>
        </p>
      )}
      <Loaded query={query}>
        {({ auditEvents: { nodes, pageInfo } }) => (
          <>
            <table>
              <thead>
                <tr>
                  <th>What</th>
                  <th>Who</th>
                  <th>Whom</th>
                  <th>Where</th>
                  <th>When</th>
                </tr>
              </thead>
              <tbody>
                {nodes.map(({ id, at, type, actorId, subjectId, ipAddress, details }) => (
                  <tr key={id}>
                    <td>
                      {sentenceCase(type)} <span className="quiet">{detailsOf(details)}</span>
                    </td>
                    <td data-label="Who">{actorId && <Username id={actorId} />}</td>
                    <td data-label="Whom">
                      {subjectId && subjectId !== actorId && <Username id={subjectId} />}
                    </td>
                    <td data-label="Where">{ipAddress}</td>
                    <td data-label="When">
                      <Time at={at} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
            {pageInfo.hasNextPage && (
              <Action action={() => query.fetchMore({ variables: { after: pageInfo.endCursor } })}>
                Load more
              </Action>
            )}
          </>
        )}
      </Loaded>
    </section>
  );
}

/** Events name users by id, even those that are deleted. Apollo Client asks once for each. */
function Username({ id }: { id: string }) {
  const { data, error } = useQuery(USERNAME, { variables: { id } });
  return error ? "a deleted user" : data?.user.username;
}

/** Such as “Login succeeded” for `LOGIN_SUCCEEDED`. */
function sentenceCase(type: string): string {
  const words = type
    .toLowerCase()
    .replaceAll("_", " ")
    .replace("mfa", "second step")
    .replace("totp", "authenticator app");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function detailsOf(details: Record<string, unknown>): string {
  return Object.entries(details)
    .map(([name, value]) => `${name}: ${Array.isArray(value) ? value.join(", ") : value}`)
    .join("; ");
}
