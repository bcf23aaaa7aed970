import { beforeAll, describe, expect, test } from "@jest/globals";
import type { SessionState } from "@latchkey/client";
import { MINUTE } from "../../src/clock.js";
import { DISABLE_USER } from "../support/administration-operations.js";
import { type App, makeApp, NEW_PASSWORD, PASSWORD } from "../support/app.js";
import { ME_QUERY, makeClient, signedInClient } from "../support/client.js";
import { CHANGE_PASSWORD, REVOKE_OTHER_SESSIONS } from "../support/operations.js";
import { makeUser } from "../support/users.js";

let app: App;
beforeAll(async () => {
  app = await makeApp();
});

const expectSignedOut = async (request: Promise<unknown>, reason: string) =>
  expect(request).rejects.toMatchObject({
    name: "LatchkeyError",
    code: "UNAUTHENTICATED",
    extensions: { reason },
  });

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
      await expectSignedOut(latchkey.request(ME_QUERY), "MISSING_TOKEN");
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
    await expectSignedOut(latchkey.request(ME_QUERY), "SESSION_REVOKED");
    expect(latchkey.state).toEqual({ status: "signed-out", reason: "SESSION_REVOKED" });
    expect(storage.token).toBeNull();
    await expectSignedOut(latchkey.request(ME_QUERY), "MISSING_TOKEN");
    expect(fields()).toEqual(["me", "refreshToken", "me"]);
  });

  test("is noticed when the account is disabled", async () => {
    const { latchkey, id } = await signedInClient(app);
    const admin = await makeUser(app, undefined, ["ADMIN"]);
    await app.send(DISABLE_USER, { id }, { token: admin.token });
    await expectSignedOut(latchkey.request(ME_QUERY), "ACCOUNT_DISABLED");
    expect(latchkey.state).toEqual({ status: "signed-out", reason: "ACCOUNT_DISABLED" });
  });

  test("is noticed when it has been idle for too long", async () => {
    const { latchkey } = await signedInClient(app);
    app.clock.advance(15 * 24 * 60 * MINUTE);
    await expect(latchkey.request(ME_QUERY)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
    expect(latchkey.state).toEqual({ status: "signed-out", reason: "SESSION_ENDED" });
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
    await expectSignedOut(latchkey.request(ME_QUERY), "SESSION_REVOKED");
  });
});
