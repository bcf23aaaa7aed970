import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "@jest/globals";
import type { SessionState } from "@latchkey/client";
import { MINUTE } from "../../src/clock.js";
import { DISABLE_USER } from "../support/administration-operations.js";
import { type App, makeApp, NEW_PASSWORD, PASSWORD } from "../support/app.js";
import { ME_QUERY, makeClient, signedInClient } from "../support/client.js";
import { CHANGE_PASSWORD, MY_SESSIONS, REVOKE_OTHER_SESSIONS } from "../support/operations.js";
import { makeUser } from "../support/users.js";

let app: App;
beforeAll(async () => {
  app = await makeApp();
});

const expectRefused = async (request: Promise<unknown>, reason: string) =>
  expect(request).rejects.toMatchObject({
    name: "LatchkeyError",
    code: "UNAUTHENTICATED",
    extensions: { reason },
  });

const LOGOUT = "mutation ($token: String) { logout(refreshToken: $token) }";

/** How many sessions the user has, this one included. */
async function sessionsOf(username: string): Promise<number> {
  const { accessToken: token } = await app.login(username);
  const { data } = await app.send(MY_SESSIONS, {}, { token });
  return data!.mySessions.length;
}

/** Holds the next request for a field until it is released. */
function holdOne(field: string, setNetwork: ReturnType<typeof makeClient>["setNetwork"]) {
  const { promise: held, resolve: hold } = Promise.withResolvers<void>();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  let isHeld = false;
  setNetwork(async (request) => {
    if (request.field === field && !isHeld) {
      isHeld = true;
      hold();
      await released;
    }
    return request.pass();
  });
  return { held, release };
}

describe("a session", () => {
  test("signs in, sends operations with the access token, and signs out", async () => {
    const user = await makeUser(app);
    const { latchkey, storage, fields } = makeClient(app);
    const states: SessionState[] = [];
    const unsubscribe = latchkey.subscribe((state) => states.push(state));
    expect(latchkey.state).toEqual({ status: "loading" });
    expect(await latchkey.accessToken()).toBeUndefined();
    expect(await latchkey.signIn(user.username, PASSWORD)).toMatchObject({
      step: "done",
      user: { id: user.id },
    });
    expect(await latchkey.request(ME_QUERY)).toEqual({ me: { username: user.username } });
    expect(storage.token).toMatch(/^[\w-]{43}$/);
    await latchkey.signOut();
    expect([storage.token, await latchkey.accessToken()]).toEqual([null, undefined]);
    expect(fields()).toEqual(["signIn", "me", "logout"]);
    expect(states).toMatchObject([
      { status: "signed-out" },
      { status: "signed-in", user: { username: user.username, roles: ["USER"] } },
      { status: "signed-out", reason: "SIGNED_OUT" },
    ]);
    unsubscribe();
    await latchkey.signIn(user.username, PASSWORD);
    expect(states).toHaveLength(3);
  });

  test("tells when the access token expires", async () => {
    const { latchkey } = await signedInClient(app);
    const { state } = latchkey;
    if (state.status !== "signed-in") throw new Error(state.status);
    const seconds = (state.expiresAt - Date.now()) / 1000;
    expect(seconds).toBeGreaterThan(880);
    expect(seconds).toBeLessThanOrEqual(900);
  });

  test("begins with the refresh token of the storage", async () => {
    const user = await makeUser(app);
    const { latchkey, storage } = makeClient(app);
    storage.token = user.refreshToken;
    expect(await latchkey.request(ME_QUERY)).toEqual({ me: { username: user.username } });
    expect(storage.token).not.toBe(user.refreshToken);
  });

  test("does not begin with a token that the server does not know, and forgets it", async () => {
    for (const token of ["x".repeat(43), "x".repeat(300)]) {
      const { latchkey, storage, fields } = makeClient(app);
      storage.token = token;
      expect(await latchkey.accessToken()).toBeUndefined();
      expect([latchkey.state, storage.token]).toEqual([{ status: "signed-out" }, null]);
      await expectRefused(latchkey.request(ME_QUERY), "MISSING_TOKEN");
      expect(fields()).toEqual(["refreshToken", "me"]);
    }
  });

  test("sends public operations without anybody being signed in", async () => {
    const { latchkey, sent } = makeClient(app);
    expect(await latchkey.request("{ __typename }")).toEqual({ __typename: "Query" });
    expect(sent).toEqual([{ field: "__typename", authorization: null }]);
  });
});

describe("the end of a session", () => {
  test("is noticed when it is revoked", async () => {
    const { latchkey, storage, username, fields } = await signedInClient(app);
    const other = await app.login(username);
    await app.send(REVOKE_OTHER_SESSIONS, {}, { token: other.accessToken });
    await expectRefused(latchkey.request(ME_QUERY), "SESSION_REVOKED");
    expect(latchkey.state).toEqual({ status: "signed-out", reason: "SESSION_REVOKED" });
    expect(storage.token).toBeNull();
    await expectRefused(latchkey.request(ME_QUERY), "MISSING_TOKEN");
    expect(fields()).toEqual(["me", "refreshToken", "me"]);
  });

  test("is noticed when the account is disabled", async () => {
    const { latchkey, id } = await signedInClient(app);
    const admin = await makeUser(app, undefined, ["ADMIN"]);
    await app.send(DISABLE_USER, { id }, { token: admin.token });
    await expectRefused(latchkey.request(ME_QUERY), "ACCOUNT_DISABLED");
    expect(latchkey.state).toEqual({ status: "signed-out", reason: "ACCOUNT_DISABLED" });
  });

  test("is noticed when it has been idle for too long", async () => {
    const { latchkey } = await signedInClient(app);
    app.clock.advance(15 * 24 * 60 * MINUTE);
    await expect(latchkey.request(ME_QUERY)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    expect(latchkey.state).toEqual({ status: "signed-out", reason: "SESSION_ENDED" });
  });
});

describe("signing out", () => {
  test("ends the session on the server, also after the access token has expired", async () => {
    const { latchkey, username } = await signedInClient(app);
    app.clock.advance(16 * MINUTE);
    await latchkey.signOut();
    // Beside the one that the user was made with.
    expect(await sessionsOf(username)).toBe(2);
  });

  test("when nobody is signed in does nothing", async () => {
    const { latchkey, fields } = makeClient(app);
    await latchkey.signOut();
    expect([fields(), latchkey.state]).toEqual([[], { status: "signed-out", reason: "SIGNED_OUT" }]);
  });

  test("while a refresh is on its way wins", async () => {
    const { latchkey, storage, setNetwork } = await signedInClient(app);
    app.clock.advance(16 * MINUTE);
    const { held, release } = holdOne("refreshToken", setNetwork);
    const request = latchkey.request(ME_QUERY).catch((error) => error.code);
    await held;
    await latchkey.signOut();
    release();
    expect(await request).toBe("UNAUTHENTICATED");
    expect([latchkey.state, storage.token]).toEqual([{ status: "signed-out", reason: "SIGNED_OUT" }, null]);
  });

  test("while the server is away works here, and says that the session still exists there", async () => {
    const { latchkey, storage, setNetwork, username } = await signedInClient(app);
    setNetwork(() => Promise.reject(new TypeError("fetch failed")));
    await expect(latchkey.signOut()).rejects.toMatchObject({ code: "NETWORK_ERROR" });
    expect([latchkey.state, storage.token]).toEqual([{ status: "signed-out", reason: "SIGNED_OUT" }, null]);
    expect(await sessionsOf(username)).toBe(3);
  });
});

describe("a session that was replaced by another user's", () => {
  test("in another tab, without a message, is given up for the new one", async () => {
    const { latchkey, storage } = await signedInClient(app);
    const other = await makeUser(app);
    storage.token = other.refreshToken;
    app.clock.advance(16 * MINUTE);
    // The page still shows the first user: what they asked for is not done as the other.
    await expectRefused(latchkey.request(ME_QUERY), "TOKEN_EXPIRED");
    expect(latchkey.state).toMatchObject({ status: "signed-in", user: { id: other.id } });
    expect(await latchkey.request(ME_QUERY)).toEqual({ me: { username: other.username } });
  });

  test.each(["refused", "answered"])(
    "in another tab while a refresh is %s is given up for the new one",
    async (outcome) => {
      const { latchkey, storage, setNetwork } = await signedInClient(app);
      const other = await makeUser(app);
      app.clock.advance(16 * MINUTE);
      const { held, release } = holdOne("refreshToken", setNetwork);
      const request = expectRefused(latchkey.request(ME_QUERY), "TOKEN_EXPIRED");
      await held;
      if (outcome === "refused") await app.post({ query: LOGOUT, variables: { token: storage.token } });
      storage.token = other.refreshToken;
      release();
      await request;
      expect(latchkey.state).toMatchObject({ status: "signed-in", user: { id: other.id } });
      expect(storage.token).not.toBe(other.refreshToken);
    },
  );

  test("in this tab while a refresh is on its way waits for it, and lasts", async () => {
    const { latchkey, setNetwork, fields } = await signedInClient(app);
    const other = await makeUser(app);
    app.clock.advance(16 * MINUTE);
    const { held, release } = holdOne("refreshToken", setNetwork);
    const refreshed = latchkey.accessToken();
    const expired = latchkey.request(ME_QUERY);
    await held;
    const signedIn = latchkey.signIn(other.username, PASSWORD);
    await sleep(20);
    expect(fields()).toEqual(["me", "refreshToken"]);
    release();
    await Promise.all([refreshed, expired, signedIn]);
    expect(latchkey.state).toMatchObject({ user: { id: other.id } });
    expect(await latchkey.request(ME_QUERY)).toEqual({ me: { username: other.username } });
    expect(fields().sort()).toEqual(["me", "me", "signIn"]);
  });
});

describe("a new password", () => {
  test("starts a new session", async () => {
    const { latchkey, storage, username, id } = await signedInClient(app);
    const before = storage.token;
    await latchkey.changePassword(PASSWORD, NEW_PASSWORD);
    expect(storage.token).not.toBe(before);
    expect(await latchkey.request(ME_QUERY)).toEqual({ me: { username } });
    expect(latchkey.state).toMatchObject({ status: "signed-in", user: { id } });
  });

  test("set elsewhere ends the session", async () => {
    const { latchkey, username } = await signedInClient(app);
    const { accessToken: token } = await app.login(username);
    await app.send(CHANGE_PASSWORD, { currentPassword: PASSWORD, newPassword: NEW_PASSWORD }, { token });
    await expectRefused(latchkey.request(ME_QUERY), "SESSION_REVOKED");
  });
});
