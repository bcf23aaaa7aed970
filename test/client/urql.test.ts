import { beforeAll, describe, expect, test } from "@jest/globals";
import { latchkeyExchange } from "@latchkey/client/urql";
import { Client, fetchExchange } from "@urql/core";
import { MINUTE } from "../../src/clock.js";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { makeClient, signedInClient } from "../support/client.js";
import { REVOKE_OTHER_SESSIONS } from "../support/operations.js";
import { RECENT } from "../support/sessions.js";
import { makeUser } from "../support/users.js";

const ME = "query { me { username } }";
const START_TOTP = "mutation { startTotpEnrollment { secret } }";

let app: App;
beforeAll(async () => {
  app = await makeApp();
});

/** urql with the exchange, and the operations that it sent. */
function urqlOf(latchkey: ReturnType<typeof makeClient>["latchkey"]) {
  const sent: (string | null)[] = [];
  const client = new Client({
    url: `${app.address}/graphql`,
    preferGetMethod: false,
    exchanges: [latchkeyExchange(latchkey), fetchExchange],
    fetch: (input, init) => {
      sent.push(new Headers(init?.headers).get("authorization"));
      return fetch(input, init);
    },
  });
  return { client, sent };
}

describe("urql with the exchange", () => {
  test("sends the access token, and refreshes it once for all operations", async () => {
    const { latchkey, username, fields } = await signedInClient(app);
    const { client, sent } = urqlOf(latchkey);
    expect((await client.query(ME, {})).data).toEqual({ me: { username } });
    app.clock.advance(16 * MINUTE);
    const queries = [ME, "query { me { username id } }", "query { me { username email } }"];
    for (const { data } of await Promise.all(queries.map((query) => client.query(query, {}))))
      expect(data).toMatchObject({ me: { username } });
    expect(fields()).toEqual(["refreshToken"]);
    expect([sent.length, new Set(sent).size]).toEqual([7, 2]);
  });

  test("asks for a recent authentication, also with an expired token, and sends the operation again", async () => {
    const { latchkey, fields } = await signedInClient(app, {
      reauthenticate: async () => {
        await latchkey.reauthenticate({ password: PASSWORD });
        return true;
      },
    });
    app.clock.advance(2 * RECENT);
    const { client, sent } = urqlOf(latchkey);
    const { data } = await client.mutation(START_TOTP, {});
    expect(data).toEqual({ startTotpEnrollment: { secret: expect.any(String) } });
    expect(fields()).toEqual(["refreshToken", "reauthenticate"]);
    expect(sent).toHaveLength(3);
  });

  test("fails with the server's error when the user does not reauthenticate", async () => {
    const { latchkey } = await signedInClient(app, { reauthenticate: async () => false });
    app.clock.advance(RECENT + 1000);
    const { client } = urqlOf(latchkey);
    const [{ error }, other] = await Promise.all([client.mutation(START_TOTP, {}), client.query(ME, {})]);
    expect(error?.graphQLErrors[0]?.extensions).toMatchObject({ code: "REAUTHENTICATION_REQUIRED" });
    expect(other.error).toBeUndefined();
  });

  test("signs out when the session has ended, and the error says why", async () => {
    const { latchkey, username } = await signedInClient(app);
    const { accessToken: token } = await app.login(username);
    await app.send(REVOKE_OTHER_SESSIONS, {}, { token });
    const { client } = urqlOf(latchkey);
    const { error } = await client.query(ME, {});
    expect(error?.graphQLErrors[0]?.extensions).toMatchObject({ reason: "SESSION_REVOKED" });
    expect(latchkey.state).toEqual({ status: "signed-out", reason: "SESSION_REVOKED" });
  });

  test("does not send an operation again as another user", async () => {
    const { latchkey, storage } = await signedInClient(app);
    const other = await makeUser(app);
    const { client, sent } = urqlOf(latchkey);
    app.clock.advance(16 * MINUTE);
    storage.token = other.refreshToken;
    const { error } = await client.query(ME, {});
    expect(error?.graphQLErrors[0]?.extensions).toMatchObject({ code: "UNAUTHENTICATED" });
    expect(sent).not.toContain(`Bearer ${await latchkey.accessToken()}`);
    expect((await client.query(ME, {})).data).toEqual({ me: { username: other.username } });
  });

  test("sends operations without a token when nobody is signed in, once", async () => {
    const { client, sent } = urqlOf(makeClient(app).latchkey);
    expect((await client.query("query { __typename }", {})).data).toEqual({ __typename: "Query" });
    const { error } = await client.query(ME, {});
    expect(error?.graphQLErrors[0]?.extensions).toMatchObject({ reason: "MISSING_TOKEN" });
    expect(sent).toEqual([null, null]);
  });

  test("fails when the server is away, and works when it is back", async () => {
    const { latchkey, setNetwork, username } = await signedInClient(app);
    app.clock.advance(16 * MINUTE);
    setNetwork(() => Promise.reject(new TypeError("fetch failed")));
    const { client } = urqlOf(latchkey);
    expect((await client.query(ME, {})).error).toMatchObject({ name: "CombinedError" });
    setNetwork(({ pass }) => pass());
    await latchkey.signIn(username, PASSWORD);
    expect((await client.query(ME, {})).data).toEqual({ me: { username } });
  });
});
