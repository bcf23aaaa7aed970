import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { relayStylePagination } from "@apollo/client/utilities";
import { createLatchkey } from "@latchkey/client";
import { LatchkeyLink } from "@latchkey/client/apollo";
import { prompt } from "./components/step-up.tsx";
import { LATCHKEY_URL, NOTES_URL } from "./config.ts";

/** The session: the refresh token is in a cookie that scripts cannot read, the access token in memory. */
export const latchkey = createLatchkey({ url: LATCHKEY_URL, reauthenticate: prompt.reauthenticate });

/** Options of an operation that goes to the service of notes: it trusts the same access tokens. */
export const NOTES = { context: { uri: NOTES_URL } };

export const apollo = new ApolloClient({
  link: ApolloLink.from([new LatchkeyLink(latchkey), new HttpLink({ uri: LATCHKEY_URL })]),
  cache: new InMemoryCache({
    typePolicies: {
      Query: {
        fields: {
          myItems: { keyArgs: false, merge: appendPage },
          users: relayStylePagination(["search", "disabled"]),
          auditEvents: relayStylePagination(["userId"]),
        },
      },
    },
  }),
});

function appendPage<T>(loaded: readonly T[] = [], page: readonly T[], { args }: { args: unknown }): T[] {
  return (args as { after?: string } | null)?.after ? [...loaded, ...page] : [...page];
}

/** Nobody sees what belongs to somebody else: what was loaded is forgotten when the user changes. */
let user: string | undefined;
latchkey.subscribe((state) => {
  const next = state.status === "signed-in" ? state.user.id : undefined;
  if (user && next !== user) apollo.resetStore().catch(() => {});
  user = next;
});
