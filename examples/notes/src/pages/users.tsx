import { useMutation, useQuery } from "@apollo/client/react";
import { useUser } from "@latchkey/client/react";
import { useState } from "react";
import { Action } from "../components/action.tsx";
import { Loaded } from "../components/loaded.tsx";
import { Time } from "../components/time.tsx";
import { graphql } from "../gql/index.ts";
import { Link } from "../router.tsx";

const PAGE = 20;

const USERS = graphql(`
  query Users($first: Int!, $after: String, $search: String, $disabled: Boolean) {
    users(first: $first, after: $after, search: $search, disabled: $disabled) {
      nodes {
        id
        username
        email
        fullName
        roles
        disabled
        mfaEnabled
        createdAt
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

const DISABLE_USER = graphql(`
  mutation DisableUser($id: ID!) {
    disableUser(id: $id) {
      id
      disabled
    }
  }
`);

const ENABLE_USER = graphql(`
  mutation EnableUser($id: ID!) {
    enableUser(id: $id) {
      id
      disabled
    }
  }
`);

const STATES: Record<string, boolean | null> = { "All users": null, Enabled: false, Disabled: true };

export function Users() {
  const me = useUser();
  const [search, setSearch] = useState("");
  const [state, setState] = useState("All users");
  const query = useQuery(USERS, {
    variables: { first: PAGE, search: search || null, disabled: STATES[state] },
    fetchPolicy: "cache-and-network",
  });
  const [disable] = useMutation(DISABLE_USER);
  const [enable] = useMutation(ENABLE_USER);
  const sentences = { FORBIDDEN: "The last administrator cannot be disabled." };
  return (
    <section>
      <title>Users · Notebook</title>
      <h1>Users</h1>
      <div className="filters">
        <input
          type="search"
          aria-label="Search"
          placeholder="Name or email address"
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
        <select aria-label="State" value={state} onChange={(event) => setState(event.target.value)}>
          {Object.keys(STATES).map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </div>
      <Loaded query={{ ...query, data: query.data ?? query.previousData }}>
        {({ users: { nodes, pageInfo } }) => (
          <>
            <table>
              <thead>
                <tr>
                  <th>User</th>
                  <th>Roles</th>
                  <th>Second step</th>
                  <th>Since</th>
                  <th>State</th>
                  <th />
                </tr>
              </thead>
              <tbody>
                {nodes.map(({ id, username, email, fullName, roles, disabled, mfaEnabled, createdAt }) => (
                  <tr key={id}>
                    <td>
                      <Link to={`/audit-log?user=${id}`}>{fullName ?? username}</Link>
                      <span className="quiet">
                        {username} · {email}
                      </span>
                    </td>
                    <td data-label="Roles">{roles.includes("ADMIN") ? "Administrator" : "User"}</td>
                    <td data-label="Second step">{mfaEnabled ? "Yes" : "No"}</td>
                    <td data-label="Since">
                      <Time at={createdAt} day />
                    </td>
                    <td data-label="State">
                      <span className={disabled ? "badge bad" : "badge"}>
                        {disabled ? "Disabled" : "Enabled"}
                      </span>
                    </td>
                    <td>
                      {id !== me?.id && (
                        <Action
                          action={() => (disabled ? enable : disable)({ variables: { id } })}
                          sentences={sentences}
                          label={`${disabled ? "Enable" : "Disable"} ${username}`}
                        >
                          {disabled ? "Enable" : "Disable"}
                        </Action>
                      )}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
            {nodes.length === 0 && <p className="empty">Nobody matches.</p>}
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
