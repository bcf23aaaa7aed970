import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { HOUR, MINUTE } from "../../src/clock.js";
import { accountsOf } from "../support/accounts.js";
import { codeOf, violationOf } from "../support/answers.js";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { DATABASES } from "../support/databases.js";
import { REGISTER, REQUEST_EMAIL_VERIFICATION, VERIFY_EMAIL } from "../support/operations.js";
import { auditEventsOf } from "../support/tables.js";

describe.each(DATABASES)("accounts on %s", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database });
  });
  afterAll(() => app.close());

  const { emailsTo, tokenFrom, signIn, register, login } = accountsOf(() => app);

  describe("register", () => {
    test("signs up, sends a link, and allows a login once the link was opened", async () => {
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
      app.clock.advance(MINUTE);
      expect(codeOf(await app.send(VERIFY_EMAIL, { token }))).toBe("INVALID_TOKEN");
      const events = await auditEventsOf(app.latchkey.db, user.id);
      expect(events.map(({ type }) => type)).toEqual(
        expect.arrayContaining(["ACCOUNT_REGISTERED", "EMAIL_VERIFIED", "LOGIN_SUCCEEDED"]),
      );
    });

    test("says that a username is taken, whatever its case", async () => {
      await register("taken");
      const { status, errors } = await register("TAKEN", "other@example.com");
      expect(status).toBe(200);
      expect(errors?.[0]).toMatchObject({
        message: "This username is already in use.",
        extensions: { code: "CONFLICT", field: "input.username" },
      });
    });

    // One such account would turn every list of users with addresses into an error.
    test.each(["straße@example.com", '"a b"@example.com', "a@bücher.example"])(
      "refuses the address %s, which EmailAddress cannot represent",
      async (email) => {
        const answer = await register("foreign", email);
        expect(codeOf(answer)).toBe("BAD_USER_INPUT");
        expect(answer.errors?.[0]?.extensions?.["violations"]).toEqual([
          { field: "input.email", rule: "email", message: "email must be an email address" },
        ]);
      },
    );

    test("accepts plus addresses and international domains in their ASCII form", async () => {
      for (const email of ["o'neil+latchkey@example.com", "a@xn--bcher-kva.example"]) {
        const username = `plain${email.length}`;
        expect((await register(username, email)).data).toEqual({ register: { username, email } });
      }
    });

    test("says that an address has an account only to its owner (row 19)", async () => {
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
      // Nothing that can be tried with the new account reveals it either.
      expect(codeOf(await login("second"))).toBe("EMAIL_NOT_VERIFIED");
      expect(codeOf(await login("first"))).toBe("EMAIL_NOT_VERIFIED");
      expect(codeOf(await register("second", "third@example.com"))).toBe("CONFLICT");
      expect(codeOf(await login("free@example.com"))).toBe("INVALID_CREDENTIALS");
      // The owner's account is unaffected.
      expect((await app.login(owner.email)).user.username).toBe(owner.username);
    });

    test("an address belongs to the account that verifies it first", async () => {
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
      [{ fullName: "" }, "input.fullName", "fullName"],
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

    test("accepts a passphrase of plain words, without digits or symbols (row 4)", async () => {
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

    test("of 20 concurrent sign-ups one gets the username (row 71)", async () => {
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

  test("a sign-up that was never verified is removed after a week, and its username available", async () => {
    await register("abandoned");
    app.clock.advance(7 * 24 * HOUR + 1000);
    await app.latchkey.jobs.runDue();
    expect((await register("abandoned")).data).toBeTruthy();
  });
});
