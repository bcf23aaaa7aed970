import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { HOUR } from "../../src/clock.js";
import { accountsOf } from "../support/accounts.js";
import { codeOf, violationOf } from "../support/answers.js";
import { type App, makeApp, NEW_PASSWORD, PASSWORD } from "../support/app.js";
import { DATABASES } from "../support/databases.js";
import {
  CHANGE_PASSWORD,
  CONFIRM_EMAIL_CHANGE,
  CREATE_ITEM,
  DELETE_ACCOUNT,
  ME,
  PASSWORD_STRENGTH,
  REFRESH,
  REQUEST_EMAIL_CHANGE,
  UPDATE_PROFILE,
} from "../support/operations.js";
import { RECENT, reauthenticated } from "../support/sessions.js";
import { auditEventsOf } from "../support/tables.js";

describe.each(DATABASES)("accounts on %s", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database });
  });
  afterAll(() => app.close());

  const { emailsTo, tokenFrom, signIn, register, login } = accountsOf(() => app);

  describe("the caller's own account", () => {
    test("changePassword ends all sessions and returns the token of a new one (rows 34, 35, 41)", async () => {
      const { username, accessToken, email } = await signIn();
      const elsewhere = await app.login(username);
      const passwords = { currentPassword: PASSWORD, newPassword: NEW_PASSWORD };
      const { data } = await app.send(CHANGE_PASSWORD, passwords, { token: accessToken });
      const fresh = data!.changePassword;
      for (const token of [accessToken, elsewhere.accessToken]) {
        expect((await app.send(ME, {}, { token })).errors?.[0]?.extensions?.["reason"]).toBe(
          "SESSION_REVOKED",
        );
      }
      expect((await app.send(ME, {}, { token: fresh.accessToken })).data?.me.username).toBe(username);
      expect((await app.send(REFRESH, { refreshToken: fresh.refreshToken! })).data).toBeTruthy();
      expect(codeOf(await login(username))).toBe("INVALID_CREDENTIALS");
      await app.login(username, NEW_PASSWORD);
      expect((await emailsTo(email)).at(-1)?.subject).toMatch(/password was changed/i);
    });

    test("changePassword refuses an unchanged password, and a wrong current one, which counts as a failed login (row 9)", async () => {
      const { user, accessToken } = await signIn();
      const change = (currentPassword: string, newPassword: string) =>
        app.send(CHANGE_PASSWORD, { currentPassword, newPassword }, { token: accessToken });
      const wrong = await change("wrong", NEW_PASSWORD);
      expect(wrong.status).toBe(401);
      expect(wrong.errors?.[0]).toMatchObject({
        message: "The current password is wrong.",
        extensions: { code: "INVALID_CREDENTIALS" },
      });
      expect((await auditEventsOf(app.latchkey.db, user.id)).at(-1)).toMatchObject({
        type: "LOGIN_FAILED",
        details: { reason: "INVALID_CREDENTIALS" },
      });
      expect(violationOf(await change(PASSWORD, PASSWORD))).toMatchObject({
        field: "newPassword",
        rule: "different",
      });
      expect(violationOf(await change(PASSWORD, "short"))).toMatchObject({
        field: "newPassword",
        rule: "minLength",
      });
      expect((await app.send(ME, {}, { token: accessToken })).status).toBe(200);
    });

    test("updateProfile changes only the given fields (row 60)", async () => {
      const { accessToken, username } = await signIn();
      const update = (input: { fullName?: string | null }) =>
        app.send(UPDATE_PROFILE, { input }, { token: accessToken });
      expect((await update({ fullName: "Zoë" })).data?.updateProfile).toEqual({ username, fullName: "Zoë" });
      expect((await update({})).data?.updateProfile.fullName).toBe("Zoë");
      expect((await update({ fullName: null })).data?.updateProfile.fullName).toBeNull();
      expect(violationOf(await update({ fullName: "a\u0007b" }))?.field).toBe("input.fullName");
      const privileged = await app.post(
        {
          query: "mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { roles } }",
          variables: { input: { roles: ["ADMIN"], emailVerified: true, id: "1" } },
        },
        { token: accessToken },
      );
      expect(codeOf(privileged)).toBe("BAD_USER_INPUT");
    });

    test("updateProfile changes a name at most 20 times an hour, because each change is an audit event", async () => {
      const { accessToken: token, user } = await signIn();
      const update = (fullName: string, as = token) =>
        app.send(UPDATE_PROFILE, { input: { fullName } }, { token: as });
      const events = async () => (await auditEventsOf(app.latchkey.db, user.id)).map(({ type }) => type);
      const before = (await events()).length;
      for (let n = 1; n <= 20; n++) {
        expect((await update(`Name ${n}`)).data?.updateProfile.fullName).toBe(`Name ${n}`);
        // An update that changes nothing does not count.
        expect((await update(`Name ${n}`)).errors).toBeUndefined();
      }
      const refused = await update("Name 21");
      expect(refused.status).toBe(429);
      expect(refused.errors?.[0]).toMatchObject({
        message: "Too many attempts. Try again in 3600 seconds.",
        extensions: { code: "RATE_LIMITED", retryAfter: 3600 },
      });
      expect((await update("Name 20")).data?.updateProfile.fullName).toBe("Name 20");
      expect((await events()).slice(before).sort()).toEqual([
        "ATTEMPTS_LIMITED",
        ...Array(20).fill("PROFILE_UPDATED"),
      ]);
      expect((await update("Another's", (await signIn()).accessToken)).errors).toBeUndefined();
      app.clock.advance(HOUR);
      const renewed = (await app.login(user.username)).accessToken;
      expect((await update("Name 21", renewed)).data?.updateProfile.fullName).toBe("Name 21");
    });

    test("an email address is changed by a link sent to the new address, and the old address is notified (row 46)", async () => {
      const { accessToken, username, email } = await signIn();
      const newEmail = `changed-${email}`;
      const ask = (token: string) => app.send(REQUEST_EMAIL_CHANGE, { newEmail }, { token });
      app.clock.advance(RECENT + 1);
      expect(codeOf(await ask(accessToken))).toBe("REAUTHENTICATION_REQUIRED");
      expect((await ask(await reauthenticated(app, accessToken))).data).toEqual({ requestEmailChange: true });
      const token = await tokenFrom(newEmail);
      expect((await app.login(email)).user.email).toBe(email);
      expect((await app.send(CONFIRM_EMAIL_CHANGE, { token })).data).toEqual({ confirmEmailChange: true });
      expect((await app.login(newEmail)).user).toMatchObject({
        username,
        email: newEmail,
        emailVerified: true,
      });
      expect(codeOf(await login(email))).toBe("INVALID_CREDENTIALS");
      expect((await emailsTo(email)).at(-1)?.subject).toMatch(/email address/i);
    });

    test("an address that has an account cannot be claimed, and receives no email", async () => {
      const [alice, bob] = [await signIn(), await signIn()];
      const ask = { newEmail: bob.email };
      const { data } = await app.send(REQUEST_EMAIL_CHANGE, ask, { token: alice.accessToken });
      expect(data).toEqual({ requestEmailChange: true });
      expect(await emailsTo(bob.email)).toEqual([]);
    });

    test("deleteAccount removes the account and everything that belongs to it; the audit log keeps who and when", async () => {
      const { accessToken, refreshToken, user, username, email } = await signIn();
      await app.send(CREATE_ITEM, { input: { title: "mine" } }, { token: accessToken });
      const remove = (token: string) => app.send(DELETE_ACCOUNT, {}, { token });
      app.clock.advance(RECENT + 1);
      expect(codeOf(await remove(accessToken))).toBe("REAUTHENTICATION_REQUIRED");
      expect((await remove(await reauthenticated(app, accessToken))).data).toEqual({ deleteAccount: true });
      expect((await app.send(ME, {}, { token: accessToken })).errors?.[0]?.extensions?.["reason"]).toBe(
        "INVALID_TOKEN",
      );
      expect(codeOf(await app.send(REFRESH, { refreshToken }))).toBe("INVALID_TOKEN");
      expect(codeOf(await login(username))).toBe("INVALID_CREDENTIALS");
      const { db, jobs } = app.latchkey;
      await jobs.runDue();
      for (const [table, column] of [
        ["users", "id"],
        ["items", "owner_id"],
        ["sessions", "user_id"],
        ["credentials", "user_id"],
        ["one_time_tokens", "user_id"],
      ] as const) {
        expect(await db.selectFrom(table).selectAll().where(column, "=", user.id).execute()).toEqual([]);
      }
      expect((await auditEventsOf(db, user.id)).at(-1)).toMatchObject({
        type: "ACCOUNT_DELETED",
        actorId: user.id,
        details: { username },
      });
      expect(await emailsTo(email)).toHaveLength(1);
      // The username and the address are available again.
      expect((await register(username, email)).data).toBeTruthy();
    });
  });

  test("passwordStrength helps to choose one, and never quotes it", async () => {
    const strength = (password: string) => app.send(PASSWORD_STRENGTH, { password });
    const weak = await strength("passwordpassword");
    expect(weak.data?.passwordStrength).toEqual({
      score: 0,
      warning: expect.any(String),
      suggestions: expect.arrayContaining([expect.any(String)]),
    });
    expect(weak.text).not.toContain("passwordpassword");
    expect((await strength(NEW_PASSWORD)).data?.passwordStrength).toMatchObject({ score: 4, warning: null });
    expect(codeOf(await strength("x".repeat(129)))).toBe("BAD_USER_INPUT");
  });
});
