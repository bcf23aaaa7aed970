import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { print } from "graphql";
import { PrintedMailer } from "../../src/email/printed.js";
import { type Answer, type App, makeApp, PASSWORD } from "../support/app.js";
import { DATABASES } from "../support/databases.js";
import {
  CHANGE_PASSWORD,
  CONFIRM_EMAIL_CHANGE,
  CREATE_ITEM,
  DELETE_ACCOUNT,
  LOGIN,
  ME,
  PASSWORD_STRENGTH,
  REFRESH,
  REGISTER,
  REQUEST_EMAIL_CHANGE,
  REQUEST_EMAIL_VERIFICATION,
  REQUEST_PASSWORD_RESET,
  RESET_PASSWORD,
  UPDATE_PROFILE,
  VERIFY_EMAIL,
} from "../support/operations.js";
import { raw, rawGraphQL } from "../support/raw.js";
import { auditEventsOf } from "../support/tables.js";

const NEW_PASSWORD = "CANARY-another-fine-set-of-words";
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe.each(DATABASES)("accounts on %s", (database) => {
  let app: App;
  let users = 0;
  beforeAll(async () => {
    app = await makeApp({ database });
  });
  afterAll(() => app.close());

  const codeOf = ({ errors }: Answer<unknown>) => errors?.[0]?.extensions?.["code"];
  const violationOf = ({ errors }: Answer<unknown>) =>
    (errors?.[0]?.extensions?.["violations"] as { field: string; rule: string; message: string }[])?.[0];

  /** The emails that went to an address since the last call, oldest first. */
  async function emailsTo(email: string) {
    await app.latchkey.outbox.deliverDue();
    const { emails } = app.latchkey.mailer as PrintedMailer;
    return emails.filter(({ to }) => to === email).reverse();
  }
  async function tokenFrom(email: string): Promise<string> {
    const text = (await emailsTo(email)).at(-1)?.text ?? "";
    return /token=([\w-]{43})/.exec(text)?.[1] ?? `no token in: ${text}`;
  }
  async function signIn() {
    const username = `user-${users++}`;
    const { email } = await app.createUser(username);
    return { username, email, ...(await app.login(username)) };
  }
  const register = (username: string, email = `${username}@example.com`, password = PASSWORD) =>
    app.send(REGISTER, { input: { username, email, password } });
  const login = (username: string, password = PASSWORD) => app.send(LOGIN, { username, password });

  describe("register", () => {
    test("signs up, sends a link, and lets in once the link was opened", async () => {
      const input = {
        username: "Newcomer",
        email: "New@Example.com",
        password: PASSWORD,
        fullName: "New Comer",
      };
      const { status, data } = await app.send(REGISTER, { input });
      expect([status, data]).toEqual([200, { register: { username: "newcomer", email: "new@example.com" } }]);

      const early = await login("newcomer");
      expect(early.status).toBe(403);
      expect(early.errors?.[0]).toMatchObject({
        message: "Open the link in the email we sent you first, or ask for another.",
        extensions: { code: "EMAIL_NOT_VERIFIED" },
      });
      expect(codeOf(await login("newcomer", "wrong"))).toBe("INVALID_CREDENTIALS");

      const token = await tokenFrom("new@example.com");
      expect((await app.send(VERIFY_EMAIL, { token })).data).toEqual({ verifyEmail: true });
      const { user } = await app.login("new@example.com");
      expect(user).toMatchObject({
        username: "newcomer",
        emailVerified: true,
        fullName: "New Comer",
        roles: ["USER"],
      });
      expect(codeOf(await app.send(VERIFY_EMAIL, { token }))).toBe("INVALID_TOKEN");
      const events = await auditEventsOf(app.latchkey.db, user.id);
      expect(events.map(({ type }) => type)).toEqual(
        expect.arrayContaining(["ACCOUNT_REGISTERED", "EMAIL_VERIFIED", "LOGIN_SUCCEEDED"]),
      );
    });

    test("tells that a username is taken, whatever its case", async () => {
      await register("taken");
      const { status, errors } = await register("TAKEN", "other@example.com");
      expect(status).toBe(200);
      expect(errors?.[0]).toMatchObject({
        message: "This username is already in use.",
        extensions: { code: "CONFLICT", field: "input.username" },
      });
    });

    // One such account would make every list of users that shows addresses an error.
    test.each(["straße@example.com", '"a b"@example.com', "a@bücher.example"])(
      "refuses the address %s, which could not be answered as an EmailAddress",
      async (email) => {
        const answer = await register("foreign", email);
        expect(codeOf(answer)).toBe("BAD_USER_INPUT");
        expect(answer.errors?.[0]?.extensions?.["violations"]).toEqual([
          { field: "input.email", rule: "email", message: "email must be an email address" },
        ]);
      },
    );

    test("takes plus addresses and international domains in their ASCII form", async () => {
      for (const email of ["o'neil+latchkey@example.com", "a@xn--bcher-kva.example"]) {
        const username = `plain${email.length}`;
        expect((await register(username, email)).data).toEqual({ register: { username, email } });
      }
    });

    test("never tells that an address has an account, but to its owner (row 19)", async () => {
      const owner = await signIn();
      const [taken, free] = [
        await register("second", owner.email),
        await register("first", "free@example.com"),
      ];
      expect(taken.status).toBe(free.status);
      expect(taken.text.replace("second", "x").replace(owner.email, "y")).toBe(
        free.text.replace("first", "x").replace("free@example.com", "y"),
      );
      const message = (await emailsTo(owner.email)).at(-1);
      expect(message?.subject).toBe("You already have an account");
      expect(message?.text).not.toMatch(/token=/);
      // Neither does what can be tried with the new account.
      expect(codeOf(await login("second"))).toBe("EMAIL_NOT_VERIFIED");
      expect(codeOf(await login("first"))).toBe("EMAIL_NOT_VERIFIED");
      expect(codeOf(await register("second", "third@example.com"))).toBe("CONFLICT");
      expect(codeOf(await login("free@example.com"))).toBe("INVALID_CREDENTIALS");
      // And the owner's account is the owner's.
      expect((await app.login(owner.email)).user.username).toBe(owner.username);
    });

    test("whoever verifies an address first has it", async () => {
      const email = "contested@example.com";
      await register("squatter", email);
      await register("rightful", email);
      const text = (await emailsTo(email)).at(-1)!.text;
      const [squatters, owners] = [...text.matchAll(/token=([\w-]{43})/g)].map(([, token]) => token!);
      expect(text).toContain(`Confirm for rightful:\n\nhttp://localhost:3000/verify-email?token=${owners}\n`);
      expect((await app.send(VERIFY_EMAIL, { token: owners! })).data).toEqual({ verifyEmail: true });
      expect(codeOf(await app.send(VERIFY_EMAIL, { token: squatters! }))).toBe("INVALID_TOKEN");
      expect((await app.login("contested@example.com")).user.username).toBe("rightful");
    });

    test("sends the link again when asked, and always answers the same", async () => {
      await register("forgetful");
      const first = await tokenFrom("forgetful@example.com");
      const ask = (email: string) => app.send(REQUEST_EMAIL_VERIFICATION, { email });
      const answers = [await ask("forgetful@example.com"), await ask("nobody@example.com")];
      expect(answers.map(({ text }) => text)).toEqual(
        Array(2).fill('{"data":{"requestEmailVerification":true}}\n'),
      );
      const second = await tokenFrom("forgetful@example.com");
      expect(codeOf(await app.send(VERIFY_EMAIL, { token: first }))).toBe("INVALID_TOKEN");
      app.clock.advance(24 * HOUR - 1000);
      expect((await app.send(VERIFY_EMAIL, { token: second })).data).toEqual({ verifyEmail: true });
      expect(await emailsTo("nobody@example.com")).toEqual([]);
    });

    test.each([
      [{ username: "ab" }, "input.username", "username"],
      [{ username: "with space" }, "input.username", "username"],
      [{ username: "a@b.example" }, "input.username", "username"],
      [{ email: "no address" }, "input.email", "email"],
      [{ fullName: "" }, "input.fullName", "text"],
      [{ password: "fourteen chars" }, "input.password", "minLength"],
      [{ password: "🦈".repeat(14) }, "input.password", "minLength"],
      [{ password: "many words that go on ".repeat(4) }, "input.password", "maxBytes"],
      [{ password: "passwordpassword" }, "input.password", "guessable"],
      [{ password: "alice.smith-alice.smith" }, "input.password", "guessable"],
      [{ password: "latchkeylatchkey" }, "input.password", "guessable"],
    ])("refuses %j and says what to do (rows 1, 8)", async (change, field, rule) => {
      const input = { username: "alice.smith", email: "alice@example.com", password: PASSWORD, ...change };
      const answer = await app.send(REGISTER, { input });
      expect(answer.status).toBe(400);
      expect(violationOf(answer)).toEqual({ field, rule, message: expect.any(String) });
      if ("password" in change) expect(answer.text).not.toContain(change.password);
    });

    test("takes a passphrase of plain words, without digits or signs (row 4)", async () => {
      expect((await register("plain", undefined, "seven brown kettles sleeping")).data).toBeTruthy();
    });

    test("can be closed", async () => {
      const closed = await makeApp({ databaseUrl: app.databaseUrl, env: { REGISTRATION: "closed" } });
      const input = { username: "late", email: "late@example.com", password: PASSWORD };
      const { status, errors } = await closed.send(REGISTER, { input });
      expect(status).toBe(403);
      expect(errors?.[0]).toMatchObject({
        message: "Registration is closed. Ask an administrator.",
        extensions: { code: "FORBIDDEN" },
      });
      await closed.close();
    });

    test("of 20 at once one gets the username (row 71)", async () => {
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, n) => register("popular", `p${n}@example.com`)),
      );
      const codes = answers.map(codeOf);
      expect(codes.filter((code) => code === undefined)).toHaveLength(1);
      expect(
        codes.filter((code) => code !== undefined && code !== "CONFLICT" && code !== "OVERLOADED"),
      ).toEqual([]);
    });
  });

  describe("a forgotten password", () => {
    const ask = (email: string) => app.send(REQUEST_PASSWORD_RESET, { email });
    const reset = (token: string, newPassword = NEW_PASSWORD) =>
      app.send(RESET_PASSWORD, { token, newPassword });

    test("is set anew with the link, once, which ends all sessions and does not sign in (rows 41, 42, 44)", async () => {
      const bystander = await signIn();
      const { email, username, accessToken, refreshToken } = await signIn();
      expect((await ask(email.toUpperCase())).text).toBe('{"data":{"requestPasswordReset":true}}\n');
      // Asking changes nothing.
      expect((await app.send(ME, {}, { token: accessToken })).status).toBe(200);
      expect((await app.login(username)).user.username).toBe(username);
      const token = await tokenFrom(email);
      expect((await reset(token)).data).toEqual({ resetPassword: true });
      expect(codeOf(await app.send(ME, {}, { token: accessToken }))).toBe("UNAUTHENTICATED");
      expect(codeOf(await app.send(REFRESH, { refreshToken }))).toBe("INVALID_TOKEN");
      expect(codeOf(await login(username))).toBe("INVALID_CREDENTIALS");
      expect((await app.login(username, NEW_PASSWORD)).user.username).toBe(username);
      expect((await emailsTo(email)).at(-1)?.subject).toMatch(/password was changed/i);
      expect((await app.login(bystander.username)).user.email).toBe(bystander.email);
      expect((await app.send(ME, {}, { token: bystander.accessToken })).status).toBe(200);
      const again = await reset(token);
      expect(again.status).toBe(200);
      expect(again.errors?.[0]).toMatchObject({
        message: "The token is unknown, used or expired. Ask for a new email.",
        extensions: { code: "INVALID_TOKEN" },
      });
    });

    test("answers the same for an address without an account, and sends nothing (row 19)", async () => {
      const { email } = await signIn();
      const [known, unknown] = [await ask(email), await ask("stranger@example.com")];
      expect([unknown.status, unknown.text]).toEqual([known.status, known.text]);
      expect(await emailsTo("stranger@example.com")).toEqual([]);
    });

    test("the link works for ten minutes, to the second, and only the latest (row 42)", async () => {
      const { email } = await signIn();
      await ask(email);
      const first = await tokenFrom(email);
      await ask(email);
      const second = await tokenFrom(email);
      expect(second).not.toBe(first);
      expect(codeOf(await reset(first))).toBe("INVALID_TOKEN");
      app.clock.advance(10 * MINUTE - 1000);
      expect((await reset(second)).data).toEqual({ resetPassword: true });
      await ask(email);
      const third = await tokenFrom(email);
      app.clock.advance(10 * MINUTE);
      expect(codeOf(await reset(third))).toBe("INVALID_TOKEN");
    });

    test("a password that is refused does not cost the link (row 44)", async () => {
      const { email, username } = await signIn();
      await ask(email);
      const token = await tokenFrom(email);
      expect(violationOf(await reset(token, "too short"))).toMatchObject({
        field: "newPassword",
        rule: "minLength",
      });
      expect(violationOf(await reset(token, `${username}${username}${username}`))?.rule).toBe("guessable");
      expect((await reset(token)).data).toEqual({ resetPassword: true });
    });

    test("a forged token, and one for another purpose, are refused (row 42)", async () => {
      const owner = await signIn();
      await app.send(
        REQUEST_EMAIL_CHANGE,
        { newEmail: `new-${owner.email}`, currentPassword: PASSWORD },
        { token: owner.accessToken },
      );
      const change = await tokenFrom(`new-${owner.email}`);
      for (const token of [change, owner.refreshToken, "forged"])
        expect(codeOf(await reset(token))).toBe("INVALID_TOKEN");
      expect(codeOf(await app.send(VERIFY_EMAIL, { token: change }))).toBe("INVALID_TOKEN");
      expect((await app.send(CONFIRM_EMAIL_CHANGE, { token: change })).data).toEqual({
        confirmEmailChange: true,
      });
    });

    test("of 20 uses at once one succeeds (rows 42, 71)", async () => {
      const { email } = await signIn();
      await ask(email);
      const token = await tokenFrom(email);
      const codes = (await Promise.all(Array.from({ length: 20 }, () => reset(token)))).map(codeOf);
      expect(codes.filter((code) => code === undefined)).toHaveLength(1);
      expect(
        codes.filter((code) => code !== undefined && code !== "INVALID_TOKEN" && code !== "OVERLOADED"),
      ).toEqual([]);
    });

    test("the link starts with APP_URL, whatever Host the request had (row 45)", async () => {
      const { email } = await signIn();
      const headers = [
        "host: evil.example",
        "x-forwarded-host: evil.example",
        "origin: https://evil.example",
      ];
      const body = { query: print(REQUEST_PASSWORD_RESET), variables: { email } };
      expect(await raw(app.address, rawGraphQL(body, headers))).toMatch(/^HTTP\/1\.1 200 /);
      await app.latchkey.outbox.deliverDue();
      const text = (await emailsTo(email)).at(-1)!.text;
      expect(text).toContain("http://localhost:3000/reset-password?token=");
      expect(text).not.toContain("evil.example");
    });
  });

  describe("one's own account", () => {
    test("changePassword ends all sessions and gives the token of a new one (rows 34, 35, 41)", async () => {
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
      expect((await app.send(REFRESH, { refreshToken: fresh.refreshToken })).data).toBeTruthy();
      expect(codeOf(await login(username))).toBe("INVALID_CREDENTIALS");
      await app.login(username, NEW_PASSWORD);
      expect((await emailsTo(email)).at(-1)?.subject).toMatch(/password was changed/i);
    });

    test("changePassword refuses a wrong current password, which counts as a failed login, and the same again (row 9)", async () => {
      const { user, accessToken } = await signIn();
      const change = (currentPassword: string, newPassword: string) =>
        app.send(CHANGE_PASSWORD, { currentPassword, newPassword }, { token: accessToken });
      const wrong = await change("wrong", NEW_PASSWORD);
      expect(wrong.status).toBe(401);
      expect(wrong.errors?.[0]).toMatchObject({
        message: "The password is wrong.",
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

    test("updateProfile changes what is given and nothing else (row 60)", async () => {
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

    test("updateProfile changes a name 20 times an hour at most: each change is an audit event", async () => {
      const { accessToken: token, user } = await signIn();
      const update = (fullName: string, as = token) =>
        app.send(UPDATE_PROFILE, { input: { fullName } }, { token: as });
      const events = async () => (await auditEventsOf(app.latchkey.db, user.id)).map(({ type }) => type);
      const before = (await events()).length;
      for (let n = 1; n <= 20; n++) {
        expect((await update(`Name ${n}`)).data?.updateProfile.fullName).toBe(`Name ${n}`);
        // What changes nothing counts nothing.
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

    test("an email address is changed by a link sent to the new one, and the old one is told (row 46)", async () => {
      const { accessToken, username, email } = await signIn();
      const newEmail = `changed-${email}`;
      const ask = (currentPassword: string) =>
        app.send(REQUEST_EMAIL_CHANGE, { newEmail, currentPassword }, { token: accessToken });
      expect(codeOf(await ask("wrong"))).toBe("INVALID_CREDENTIALS");
      expect((await ask(PASSWORD)).data).toEqual({ requestEmailChange: true });
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

    test("an address that has an account cannot be taken, and is not told of", async () => {
      const [alice, bob] = [await signIn(), await signIn()];
      const ask = { newEmail: bob.email, currentPassword: PASSWORD };
      const { data } = await app.send(REQUEST_EMAIL_CHANGE, ask, { token: alice.accessToken });
      expect(data).toEqual({ requestEmailChange: true });
      expect(await emailsTo(bob.email)).toEqual([]);
    });

    test("deleteAccount removes the account and all that belongs to it; the audit log keeps who and when", async () => {
      const { accessToken, refreshToken, user, username, email } = await signIn();
      await app.send(CREATE_ITEM, { input: { title: "mine" } }, { token: accessToken });
      const remove = (password: string) => app.send(DELETE_ACCOUNT, { password }, { token: accessToken });
      expect(codeOf(await remove("wrong"))).toBe("INVALID_CREDENTIALS");
      expect((await remove(PASSWORD)).data).toEqual({ deleteAccount: true });
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
      // The name and the address are free again.
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

  test("a sign-up that was never verified is gone after a week, and its username free", async () => {
    await register("abandoned");
    app.clock.advance(7 * 24 * HOUR + 1000);
    await app.latchkey.jobs.runDue();
    expect((await register("abandoned")).data).toBeTruthy();
  });
});
