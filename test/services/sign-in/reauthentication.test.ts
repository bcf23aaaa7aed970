import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { decodeJwt } from "jose";
import { MINUTE } from "../../../src/clock.js";
import { DELETE_USER } from "../../support/administration-operations.js";
import { codeOf, errorOf } from "../../support/answers.js";
import { type App, makeApp, NEW_PASSWORD, PASSWORD } from "../../support/app.js";
import { attemptsOn, WRONG } from "../../support/attempts.js";
import { DATABASES } from "../../support/databases.js";
import { meanwhile } from "../../support/held.js";
import {
  CHANGE_PASSWORD,
  LOGIN,
  MY_SESSIONS,
  REAUTHENTICATE,
  REFRESH,
  REQUEST_EMAIL_CHANGE,
  VERIFY_TOTP,
} from "../../support/operations.js";
import { RECENT, reauthenticated, sidOf } from "../../support/sessions.js";
import { auditEventsOf } from "../../support/tables.js";
import { challengeFor, enrollTotp, makeMfaUser } from "../../support/totp.js";
import { makeUser } from "../../support/users.js";

const required = (methods: string[]) => ({
  message:
    "This requires an authentication in the last 10 minutes, with a second factor if you have one. Call `reauthenticate`.",
  extensions: { code: "REAUTHENTICATION_REQUIRED", maxAge: 600, methods },
});
const invalid = (field: string, rule: string, message: string) => ({
  message: `Invalid input: ${message}.`,
  extensions: { code: "BAD_USER_INPUT", violations: [{ field, rule, message }] },
});
const PASSWORD_NOT_ENOUGH = invalid(
  "password",
  "secondFactor",
  "the account has a second factor: a password is not enough",
);
const WRONG_CODE = {
  message: "The code is wrong, or was used already.",
  extensions: { code: "INVALID_CREDENTIALS" },
};

describe.each(DATABASES)("a recent authentication on %s", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database });
  });
  afterAll(() => app.close());

  /** Sends a field that asks for a recent authentication. */
  const use = (token: string) => app.send(REQUEST_EMAIL_CHANGE, { newEmail: "new@example.com" }, { token });
  const { fail } = attemptsOn(() => app);

  test("is at most 600 seconds old, and an older one is refused as RFC 9470 says", async () => {
    const { token } = await makeUser(app);
    app.clock.advance(600_000);
    expect((await use(token)).data).toEqual({ requestEmailChange: true });
    app.clock.advance(1);
    const refused = await use(token);
    expect([refused.status, refused.data]).toEqual([401, null]);
    expect(refused.headers.get("www-authenticate")).toBe(
      'Bearer error="insufficient_user_authentication", max_age=600',
    );
    expect(errorOf(refused)).toEqual(required(["PASSWORD"]));
  });

  test("is not one from the future, which a clock that was wrong has left behind", async () => {
    const { token, username } = await makeUser(app);
    app.clock.advance(60 * MINUTE);
    const { refreshToken } = await app.login(username);
    app.clock.advance(-60 * MINUTE);
    const { data } = await app.send(REFRESH, { refreshToken });
    const ahead = data!.refreshToken.accessToken;
    expect(errorOf(await use(ahead))).toEqual(required(["PASSWORD"]));
    expect((await use(await reauthenticated(app, ahead))).data).toEqual({ requestEmailChange: true });
    expect((await use(token)).data).toEqual({ requestEmailChange: true });
  });

  test("is renewed with the password, for every access token of the session and for no other session", async () => {
    const { id, username, token, refreshToken } = await makeUser(app);
    const { accessToken: elsewhere } = await app.login(username);
    app.clock.advance(RECENT + 1);
    const at = app.clock.now();
    const { data } = await app.send(REAUTHENTICATE, { password: PASSWORD }, { token });
    expect(data?.reauthenticate).toEqual({
      accessToken: expect.any(String),
      expiresIn: 900,
      refreshToken: null,
      user: { username },
    });
    const renewed = data!.reauthenticate.accessToken;
    const { sid, auth_time, amr } = decodeJwt(renewed);
    expect({ sid, auth_time, amr }).toEqual({
      sid: sidOf(token),
      auth_time: Math.floor(at / 1000),
      amr: ["pwd"],
    });
    for (const each of [token, renewed]) expect((await use(each)).data).toEqual({ requestEmailChange: true });
    expect(codeOf(await use(elsewhere))).toBe("REAUTHENTICATION_REQUIRED");
    const sessions = (await app.send(MY_SESSIONS, {}, { token })).data!.mySessions;
    expect(sessions.find(({ current }) => current)).toMatchObject({
      authenticatedAt: new Date(at).toISOString(),
      authenticationMethods: ["PASSWORD"],
    });
    // The client keeps its refresh token, and refreshing is no authentication.
    app.clock.advance(MINUTE);
    const next = (await app.send(REFRESH, { refreshToken })).data!.refreshToken;
    expect(decodeJwt(next.accessToken)["auth_time"]).toBe(auth_time);
    app.clock.advance(RECENT - MINUTE + 1);
    expect(codeOf(await use(next.accessToken))).toBe("REAUTHENTICATION_REQUIRED");
    expect((await auditEventsOf(app.latchkey.db, id)).at(-1)).toEqual({
      type: "EMAIL_CHANGE_REQUESTED",
      sessionId: null,
      actorId: id,
      details: {},
    });
    const events = await auditEventsOf(app.latchkey.db, id);
    expect(events.filter(({ type }) => type === "REAUTHENTICATED")).toEqual([
      { type: "REAUTHENTICATED", sessionId: sid, actorId: id, details: { methods: ["pwd"] } },
    ]);
  });

  test("of an account with a second factor takes a code: the password alone is not enough", async () => {
    const { token, code, recoveryCodes } = await makeMfaUser(app);
    app.clock.advance(RECENT);
    const refused = await use(token);
    expect(errorOf(refused)).toEqual(required(["TOTP"]));
    const send = (proof: { password?: string; code?: string }) => app.send(REAUTHENTICATE, proof, { token });
    const withPassword = await send({ password: PASSWORD });
    expect([withPassword.status, errorOf(withPassword)]).toEqual([400, PASSWORD_NOT_ENOUGH]);
    // Nor does a wrong password say more than the correct one.
    expect(errorOf(await send({ password: WRONG }))).toEqual(PASSWORD_NOT_ENOUGH);
    const wrong = await send({ code: recoveryCodes[0]! });
    expect([wrong.status, errorOf(wrong)]).toEqual([401, WRONG_CODE]);
    expect(codeOf(await use(token))).toBe("REAUTHENTICATION_REQUIRED");
    const { data } = await send({ code: code() });
    expect(decodeJwt(data!.reauthenticate.accessToken)["amr"]).toEqual(["pwd", "otp", "mfa"]);
    expect(data!.reauthenticate.refreshToken).toBeNull();
    expect((await use(token)).data).toEqual({ requestEmailChange: true });
    expect(errorOf(await send({ code: code() }))).toEqual(WRONG_CODE);
  });

  test("takes exactly one proof, and a signed-in caller", async () => {
    const { token } = await makeUser(app);
    const expected = invalid(
      "reauthenticate",
      "exactlyOne",
      "send exactly one of password, code and passkey",
    );
    for (const proof of [
      {},
      { password: null, code: null },
      { password: PASSWORD, code: "123456" },
      { password: "", code: "" },
    ]) {
      const answer = await app.send(REAUTHENTICATE, proof, { token });
      expect(answer.status).toBe(400);
      expect(errorOf(answer)?.extensions?.["code"]).toBe("BAD_USER_INPUT");
      if (proof.code !== "") expect(errorOf(answer)).toEqual(expected);
    }
    const anonymous = await app.send(REAUTHENTICATE, { password: PASSWORD });
    expect(errorOf(anonymous)?.extensions).toEqual({ code: "UNAUTHENTICATED", reason: "MISSING_TOKEN" });
    const without = await app.send(REAUTHENTICATE, { code: "123456" }, { token });
    expect(errorOf(without)).toEqual(WRONG_CODE);
  });

  test("wrong passwords count like failed logins, in the same counts", async () => {
    const { id, username, token } = await makeUser(app);
    const from = "198.51.100.40";
    const send = (password: string) => app.send(REAUTHENTICATE, { password }, { token, from });
    for (let n = 0; n < 3; n++) {
      const answer = await send(WRONG);
      expect([answer.status, errorOf(answer)]).toEqual([
        401,
        { message: "The password is wrong.", extensions: { code: "INVALID_CREDENTIALS" } },
      ]);
    }
    await fail(2, username, from);
    const limited = {
      message: "Too many attempts. Try again in 1 second.",
      extensions: { code: "RATE_LIMITED", retryAfter: 1 },
    };
    const answer = await send(PASSWORD);
    expect([answer.status, answer.headers.get("retry-after"), errorOf(answer)]).toEqual([429, "1", limited]);
    expect(errorOf(await app.send(LOGIN, { username, password: PASSWORD }, { from }))).toEqual(limited);
    const failed = (await auditEventsOf(app.latchkey.db, id)).filter(({ type }) => type === "LOGIN_FAILED");
    expect(failed.map(({ details }) => details)).toEqual(Array(5).fill({ reason: "INVALID_CREDENTIALS" }));
    app.clock.advance(1_000);
    expect((await send(PASSWORD)).errors).toBeUndefined();
    // Success resets the counts.
    await fail(5, username, from);
  });

  test("wrong codes count like those of a sign-in, in the same counts", async () => {
    const { id, username, token, code } = await makeMfaUser(app);
    const from = "198.51.100.41";
    const send = (value: string) => app.send(REAUTHENTICATE, { code: value }, { token, from });
    const challenge = await challengeFor(app, username, { from });
    for (let n = 0; n < 3; n++) expect(errorOf(await send("wrong"))).toEqual(WRONG_CODE);
    const verify = () => app.send(VERIFY_TOTP, { challenge, code: code() }, { from });
    for (let n = 0; n < 2; n++)
      expect(errorOf(await app.send(VERIFY_TOTP, { challenge, code: "wrong" }, { from }))).toEqual(
        WRONG_CODE,
      );
    for (const limited of [await send(code()), await verify()])
      expect(errorOf(limited)?.extensions).toEqual({ code: "RATE_LIMITED", retryAfter: 1 });
    const failed = (await auditEventsOf(app.latchkey.db, id)).filter(({ type }) => type === "LOGIN_FAILED");
    expect(failed.map(({ details }) => details)).toEqual(Array(5).fill({ reason: "INVALID_CODE" }));
    app.clock.advance(1_000);
    expect((await send(code())).errors).toBeUndefined();
  });

  test("is refused when the session ended while the proof was checked", async () => {
    const ended = {
      message: "This session has ended. Log in again.",
      extensions: { code: "UNAUTHENTICATED", reason: "SESSION_REVOKED" },
    };
    const [alice, bob] = [await makeUser(app), await makeMfaUser(app)];
    for (const { id, token, proof } of [
      { ...alice, proof: { password: PASSWORD } },
      { ...bob, proof: { code: bob.code() } },
    ]) {
      const answer = await meanwhile(
        app,
        [
          `update users set updated_at = updated_at where id = '${id}'`,
          `update sessions set ended_at = 1 where id = '${sidOf(token)}'`,
        ],
        () => app.send(REAUTHENTICATE, proof, { token }),
      );
      expect(errorOf(answer)).toEqual(ended);
    }
  });

  test("is refused with the password when a second factor was added while it was checked", async () => {
    const { id, token } = await makeUser(app);
    app.clock.advance(RECENT + 1);
    const answer = await meanwhile(
      app,
      [`update users set mfa_methods = 'TOTP RECOVERY_CODE' where id = '${id}'`],
      () => app.send(REAUTHENTICATE, { password: PASSWORD }, { token }),
    );
    expect(errorOf(answer)).toEqual(PASSWORD_NOT_ENOUGH);
    expect(errorOf(await use(token))).toEqual(required(["TOTP"]));
  });

  test("is kept by a change of the password, which has asked for one", async () => {
    const { token } = await makeUser(app);
    app.clock.advance(5 * MINUTE);
    const passwords = { currentPassword: PASSWORD, newPassword: NEW_PASSWORD };
    const { data } = await app.send(CHANGE_PASSWORD, passwords, { token });
    const fresh = data!.changePassword.accessToken;
    app.clock.advance(5 * MINUTE);
    expect((await use(fresh)).data).toEqual({ requestEmailChange: true });
    app.clock.advance(1);
    expect(codeOf(await use(fresh))).toBe("REAUTHENTICATION_REQUIRED");
  });

  test("is not needed again for a factor that was added in the meantime", async () => {
    const { token } = await makeUser(app);
    const { code } = await enrollTotp(app, token);
    app.clock.advance(RECENT);
    expect((await use(await reauthenticated(app, token, { code: code() }))).data).toBeTruthy();
  });
});

const [HOME, THIEF] = ["192.0.2.1", "198.51.100.6"];

const refused = (reason: string, message: string) => ({
  message,
  extensions: { code: "UNAUTHENTICATED", reason },
});

const ADMIN = "admin";

/** What happens to the account while its password is verified, and the error of the request then. */
const CHANGES: Record<
  string,
  { change: (app: App, user: { id: string; username: string }) => Promise<unknown>; error: object }
> = {
  "whose password is reset": {
    change: (app, { username }) => app.latchkey.operator.setPassword(username, NEW_PASSWORD),
    error: refused("SESSION_REVOKED", "This session has ended. Log in again."),
  },
  "that is disabled": {
    change: (app, { username }) => app.latchkey.operator.disable(username),
    error: refused("ACCOUNT_DISABLED", "This account has been disabled. Ask an administrator."),
  },
  "that is deleted and purged": {
    change: async (app, { id }) => {
      const { accessToken: token } = await app.login(ADMIN);
      expect((await app.send(DELETE_USER, { id }, { token })).errors).toBeUndefined();
      await app.latchkey.jobs.runDue();
    },
    error: refused("INVALID_TOKEN", "The access token is not valid. Refresh it, or log in again."),
  },
};

describe.each(DATABASES)("a correct password for an account on %s", (database) => {
  /** Verifying a password takes a while in `app`, and almost no time in `fast`. */
  let app: App;
  let fast: App;
  let users = 0;
  beforeAll(async () => {
    app = await makeApp({ database, config: { bcryptCost: 12 } });
    fast = await makeApp({ databaseUrl: app.databaseUrl, clock: app.clock, ownPasswordThreads: true });
    const admin = { username: ADMIN, email: "admin@example.com", fullName: null, roles: ["ADMIN" as const] };
    await fast.latchkey.operator.create(admin, PASSWORD);
  });
  afterAll(async () => {
    await fast?.close();
    await app?.close();
  });

  const attempts = (id: string) =>
    app.latchkey.db.selectFrom("attempts").selectAll().where("account", "=", id).execute();
  async function untilCounted(id: string) {
    for (const deadline = Date.now() + 10_000; Date.now() < deadline; await setTimeout(5)) {
      const counted = await attempts(id);
      if (counted.some(({ name }) => name.startsWith("PASSWORD_ACCOUNT"))) return;
    }
    throw new Error("no attempt was counted");
  }

  const OPERATIONS = {
    reauthenticate: (token: string) =>
      app.send(REAUTHENTICATE, { password: PASSWORD }, { token, from: THIEF }),
    changePassword: (token: string) =>
      app.send(
        CHANGE_PASSWORD,
        { currentPassword: PASSWORD, newPassword: `${NEW_PASSWORD}!` },
        { token, from: THIEF },
      ),
  };
  const cases = [
    ...Object.keys(CHANGES).map((change) => [change, "reauthenticate"] as const),
    ["whose password is reset", "changePassword"],
  ] as const;
  test.each(cases)("%s meanwhile leaves nothing behind: %s (row 16)", async (change, operation) => {
    const username = `user-${users++}`;
    const { id } = await app.createUser(username);
    const { data } = await app.send(LOGIN, { username, password: PASSWORD }, { from: HOME });
    await app.latchkey.db.deleteFrom("known_networks").where("user_id", "=", id).execute();
    const answer = OPERATIONS[operation](data!.login.accessToken);
    await untilCounted(id);
    // Enough time to read the hash.
    await setTimeout(30);
    await CHANGES[change]!.change(fast, { id, username });
    const { errors } = await answer;
    expect(errors).toEqual([expect.objectContaining(CHANGES[change]!.error)]);
    const networks = app.latchkey.db.selectFrom("known_networks").selectAll().where("user_id", "=", id);
    expect(await networks.execute()).toEqual([]);
  });
});
