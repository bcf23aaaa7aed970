import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { print } from "graphql";
import { MINUTE } from "../../src/clock.js";
import { accountsOf } from "../support/accounts.js";
import { codeOf, violationOf } from "../support/answers.js";
import { type App, makeApp, NEW_PASSWORD } from "../support/app.js";
import { DATABASES } from "../support/databases.js";
import {
  CONFIRM_EMAIL_CHANGE,
  ME,
  REFRESH,
  REQUEST_EMAIL_CHANGE,
  REQUEST_PASSWORD_RESET,
  RESET_PASSWORD,
  VERIFY_EMAIL,
} from "../support/operations.js";
import { raw, rawGraphQL } from "../support/raw.js";

describe.each(DATABASES)("accounts on %s", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database });
  });
  afterAll(() => app.close());

  const { emailsTo, tokenFrom, signIn, login } = accountsOf(() => app);

  describe("a forgotten password", () => {
    const ask = (email: string) => app.send(REQUEST_PASSWORD_RESET, { email });
    const reset = (token: string, newPassword = NEW_PASSWORD) =>
      app.send(RESET_PASSWORD, { token, newPassword });

    test("is replaced with the link, once, which ends all sessions and does not sign in (rows 41, 42, 44)", async () => {
      const bystander = await signIn();
      const { email, username, accessToken, refreshToken } = await signIn();
      expect((await ask(email.toUpperCase())).text).toBe('{"data":{"requestPasswordReset":true}}\n');
      // The request alone changes nothing.
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

    test("a refused password does not consume the link (row 44)", async () => {
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
      await app.send(REQUEST_EMAIL_CHANGE, { newEmail: `new-${owner.email}` }, { token: owner.accessToken });
      const change = await tokenFrom(`new-${owner.email}`);
      for (const token of [change, owner.refreshToken, "forged"])
        expect(codeOf(await reset(token))).toBe("INVALID_TOKEN");
      expect(codeOf(await app.send(VERIFY_EMAIL, { token: change }))).toBe("INVALID_TOKEN");
      expect((await app.send(CONFIRM_EMAIL_CHANGE, { token: change })).data).toEqual({
        confirmEmailChange: true,
      });
    });

    test("of 20 concurrent uses one succeeds (rows 42, 71)", async () => {
      const { email } = await signIn();
      await ask(email);
      const token = await tokenFrom(email);
      const codes = (await Promise.all(Array.from({ length: 20 }, () => reset(token)))).map(codeOf);
      expect(codes.filter((code) => code === undefined)).toHaveLength(1);
      expect(
        codes.filter((code) => code !== undefined && code !== "INVALID_TOKEN" && code !== "OVERLOADED"),
      ).toEqual([]);
    });

    test("the link starts with APP_URL, whatever the Host header (row 45)", async () => {
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
});
