import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, jest, test } from "@jest/globals";
import type { SessionState } from "@latchkey/client";
import { UpdateProfileDocument } from "@latchkey/client/documents";
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

/** Holds the next answer for a field until it is released. */
function holdAnswer(field: string, setNetwork: ReturnType<typeof makeClient>["setNetwork"]) {
  const { promise: held, resolve: hold } = Promise.withResolvers<void>();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  let isHeld = false;
  setNetwork(async (request) => {
    const answer = await request.pass();
    if (request.field === field && !isHeld) {
      isHeld = true;
      hold();
      await released;
    }
    return answer;
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

  test("has the user as they are on the server after a refresh", async () => {
    const { latchkey, setNetwork } = await signedInClient(app);
    await latchkey.request(UpdateProfileDocument, { input: { fullName: "Alice Doe" } });
    expect(latchkey.state).toMatchObject({ user: { fullName: null } });
    await latchkey.refresh();
    expect(latchkey.state).toMatchObject({ status: "signed-in", user: { fullName: "Alice Doe" } });
    // An unavailable server is reported, and does no harm: the token still works.
    setNetwork(() => Promise.reject(new TypeError("fetch failed")));
    await expect(latchkey.refresh()).rejects.toMatchObject({ code: "NETWORK_ERROR" });
    expect(latchkey.state).toMatchObject({ status: "signed-in" });
    expect(await latchkey.accessToken()).toBeDefined();
  });

  test("has the user as they are on the server when a refresh is in flight already", async () => {
    const { latchkey, setNetwork, fields } = await signedInClient(app);
    const { held, release } = holdAnswer("refreshToken", setNetwork);
    const earlier = latchkey.refresh();
    await held;
    await latchkey.request(UpdateProfileDocument, { input: { fullName: "Alice Doe" } });
    const refreshed = latchkey.refresh();
    release();
    await Promise.all([earlier, refreshed]);
    expect(latchkey.state).toMatchObject({ status: "signed-in", user: { fullName: "Alice Doe" } });
    expect(fields()).toEqual(["refreshToken", "updateProfile", "refreshToken"]);
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

  test("while a refresh is in flight wins", async () => {
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

  test("while the server is unavailable works here, and can be repeated to end the session there", async () => {
    const { latchkey, storage, setNetwork, username } = await signedInClient(app);
    app.clock.advance(16 * MINUTE);
    setNetwork(() => Promise.reject(new TypeError("fetch failed")));
    await expect(latchkey.signOut()).rejects.toMatchObject({ code: "NETWORK_ERROR" });
    expect([latchkey.state, storage.token]).toEqual([{ status: "signed-out", reason: "SIGNED_OUT" }, null]);
    expect(await sessionsOf(username)).toBe(3);
    setNetwork(({ pass }) => pass());
    await latchkey.signOut();
    // Each count signs in once more.
    expect(await sessionsOf(username)).toBe(3);
  });

  test("waits five seconds for the server, and once for all who ask", async () => {
    const { latchkey, setNetwork, fields } = await signedInClient(app);
    jest.useFakeTimers({ doNotFake: ["nextTick", "setImmediate", "queueMicrotask", "performance"] });
    try {
      setNetwork(
        ({ signal }) =>
          new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason))),
      );
      const signedOut = Promise.allSettled([latchkey.signOut(), latchkey.signOut()]);
      await new Promise<void>((resolve) => setImmediate(resolve));
      jest.advanceTimersByTime(5000);
      const failed = { status: "rejected", reason: expect.objectContaining({ code: "NETWORK_ERROR" }) };
      expect(await signedOut).toEqual([failed, failed]);
      expect(fields()).toEqual(["logout"]);
    } finally {
      jest.useRealTimers();
    }
  });

  test("comes before signing in again, so that its late answer does not clear the new cookie", async () => {
    const { latchkey, setNetwork, fields, username } = await signedInClient(app);
    const { held, release } = holdAnswer("logout", setNetwork);
    const signedOut = latchkey.signOut();
    await held;
    const signedIn = latchkey.signIn(username, PASSWORD);
    await sleep(20);
    expect(fields()).toEqual(["logout"]);
    release();
    await Promise.all([signedOut, signedIn]);
    expect(fields()).toEqual(["signIn"]);
    expect(latchkey.state.status).toBe("signed-in");
  });
});

describe("a client that is closed", () => {
  test("keeps the token of a refresh in flight, and tries no more when that fails", async () => {
    const { latchkey, storage, setNetwork } = await signedInClient(app);
    const before = storage.token;
    const { held, release } = holdAnswer("refreshToken", setNetwork);
    const refreshed = latchkey.refresh();
    await held;
    latchkey.close();
    release();
    await refreshed;
    expect(storage.token).not.toBe(before);

    const failing = await signedInClient(app);
    failing.setNetwork(() => Promise.reject(new TypeError("fetch failed")));
    const refused = expect(failing.latchkey.refresh()).rejects.toMatchObject({ code: "NETWORK_ERROR" });
    failing.latchkey.close();
    await refused;
    failing.fields();
    await sleep(1200);
    expect(failing.fields()).toEqual([]);
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

  test("in this tab while a slow storage takes its token is not refreshed with the earlier one", async () => {
    const user = await makeUser(app);
    const other = await makeUser(app);
    const { promise: stored, resolve: finish } = Promise.withResolvers<void>();
    let token: string | null = user.refreshToken;
    const { latchkey, fields } = makeClient(app, {
      storage: {
        get: async () => token,
        async set(next) {
          await stored;
          token = next;
        },
        async clear() {
          token = null;
        },
      },
    });
    const signedIn = latchkey.signIn(other.username, PASSWORD);
    while (fields().length === 0) await sleep(1);
    await sleep(300);
    const asked = latchkey.accessToken();
    await sleep(100);
    finish();
    await Promise.all([signedIn, asked]);
    expect(fields()).toEqual([]);
    expect(latchkey.state).toMatchObject({ user: { id: other.id } });
    expect(await latchkey.request(ME_QUERY)).toEqual({ me: { username: other.username } });
  });

  test("in this tab while a refresh is in flight waits for it, and lasts", async () => {
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
