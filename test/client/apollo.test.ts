import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink, InMemoryCache } from "@apollo/client";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { LatchkeyLink } from "@latchkey/client/apollo";
import { parse } from "graphql";
import { MINUTE } from "../../src/clock.js";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { makeClient, signedInClient } from "../support/client.js";
import { REVOKE_OTHER_SESSIONS } from "../support/operations.js";
import { RECENT } from "../support/sessions.js";

const ME = parse("query { me { username } }");
const START_TOTP = parse("mutation { startTotpEnrollment { secret } }");

let app: App;
beforeAll(async () => {
  app = await makeApp();
});

/** Apollo Client with the link, and the operations that it sent. */
function apolloOf(latchkey: ReturnType<typeof makeClient>["latchkey"], accept?: string) {
  const sent: (string | null)[] = [];
  const client = new ApolloClient({
    cache: new InMemoryCache(),
    link: ApolloLink.from([
      new LatchkeyLink(latchkey),
      new HttpLink({
        uri: `${app.address}/graphql`,
        fetch: (input, init) => {
          const headers = new Headers(init?.headers);
          sent.push(headers.get("authorization"));
          if (accept) headers.set("accept", accept);
          return fetch(input, { ...init, headers });
        },
      }),
    ]),
    defaultOptions: { query: { fetchPolicy: "network-only" }, watchQuery: { fetchPolicy: "network-only" } },
  });
  return { client, sent };
}

describe.each([
  ["application/graphql-response+json", undefined],
  ["application/json", "application/json"],
])("Apollo Client with the link, answered in %s", (_, accept) => {
  test("sends the access token, and refreshes it once for all operations", async () => {
    const { latchkey, username, fields } = await signedInClient(app);
    const { client, sent } = apolloOf(latchkey, accept);
    expect((await client.query({ query: ME })).data).toEqual({ me: { __typename: "User", username } });
    app.clock.advance(16 * MINUTE);
    const queryDeduplication = { context: { queryDeduplication: false } };
    const answers = await Promise.all(
      [1, 2, 3].map(() => client.query({ query: ME, ...queryDeduplication })),
    );
    for (const { data } of answers) expect(data).toMatchObject({ me: { username } });
    expect(fields()).toEqual(["refreshToken"]);
    expect(sent).toHaveLength(7);
    expect(new Set(sent).size).toBe(2);
  });

  test("asks for a recent authentication, also with an expired token, and sends the operation again", async () => {
    const { latchkey, fields } = await signedInClient(app, {
      reauthenticate: async () => {
        await latchkey.reauthenticate({ password: PASSWORD });
        return true;
      },
    });
    app.clock.advance(2 * RECENT);
    const { client } = apolloOf(latchkey, accept);
    const { data } = await client.mutate({ mutation: START_TOTP });
    expect(data).toMatchObject({ startTotpEnrollment: { secret: expect.any(String) } });
    expect(fields()).toEqual(["refreshToken", "reauthenticate"]);
  });

  test("signs out when the session has ended, and the error says why", async () => {
    const { latchkey, username } = await signedInClient(app);
    const { accessToken: token } = await app.login(username);
    await app.send(REVOKE_OTHER_SESSIONS, {}, { token });
    const { client, sent } = apolloOf(latchkey, accept);
    const error = await client.query({ query: ME }).catch((error: unknown) => error);
    if (!accept)
      expect(CombinedGraphQLErrors.is(error) && error.errors[0]?.extensions).toMatchObject({
        reason: "SESSION_REVOKED",
      });
    expect(sent).toHaveLength(1);
    expect(latchkey.state).toEqual({ status: "signed-out", reason: "SESSION_REVOKED" });
  });

  test("sends operations without a token when nobody is signed in", async () => {
    const { client, sent } = apolloOf(makeClient(app).latchkey, accept);
    expect((await client.query({ query: parse("query { __typename }") })).data).toEqual({
      __typename: "Query",
    });
    await expect(client.query({ query: ME })).rejects.toThrow(accept ? /401/ : /Sign in first/);
    expect(sent).toEqual([null, null]);
  });
});

describe("Apollo Client with the link", () => {
  test("fails when the server is away, and works when it is back", async () => {
    const { latchkey, setNetwork, username } = await signedInClient(app);
    app.clock.advance(16 * MINUTE);
    setNetwork(() => Promise.reject(new TypeError("fetch failed")));
    const { client } = apolloOf(latchkey);
    await expect(client.query({ query: ME })).rejects.toMatchObject({ code: "NETWORK_ERROR" });
    setNetwork(({ pass }) => pass());
    await latchkey.signIn(username, PASSWORD);
    expect((await client.query({ query: ME })).data).toMatchObject({ me: { username } });
  });

  test("stops when the query is not needed any more", async () => {
    const { latchkey } = await signedInClient(app);
    const { client, sent } = apolloOf(latchkey);
    const subscription = client.watchQuery({ query: ME }).subscribe(() => {});
    subscription.unsubscribe();
    await latchkey.accessToken();
    expect(sent).toEqual([]);
  });
});
