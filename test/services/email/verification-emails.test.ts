import { describe, expect, test } from "@jest/globals";
import { SECOND } from "../../../src/clock.js";
import { insertUser } from "../../../src/storage/users.js";
import { accountEmails, tokensIn, visible } from "../../support/account-emails.js";
import { codeOf } from "../../support/answers.js";
import { App } from "../../support/app.js";
import { DATABASES } from "../../support/databases.js";

describe.each(DATABASES)("emails about accounts on %s", (database) => {
  let app: App;
  const { acceptAll, askForLink, emailsTo, lastTo, login, outboxOf, refuseAll, register, verify } =
    accountEmails(database, (started) => {
      app = started;
    });

  describe("to verify an address", () => {
    test.each([
      ["after", ["alice-1", "mallory-1"]],
      ["before", ["mallory-2", "alice-2"]],
    ])("a stranger who signs up with it %s its owner gains nothing", async (_when, names) => {
      const owner = names.find((name) => name.startsWith("alice"))!;
      const stranger = names.find((name) => name.startsWith("mallory"))!;
      const email = `${owner}@example.com`;
      for (const name of names) {
        await register(name, email);
        await app.latchkey.outbox.deliverDue();
      }
      // It does not matter whether the owner or the stranger requests it: both cause the same email.
      await askForLink(email);
      const text = await lastTo(email);
      const links = [...text.matchAll(/^Confirm for (\S+):\n\n\S+token=(\S{43})$/gm)];
      expect(links.map(([, name]) => name)).toEqual(names);
      const tokens = Object.fromEntries(links.map(([, name, token]) => [name, token!]));
      expect(text).toContain("Confirm only the one that you registered:");
      expect(text).toContain(
        "whoever registered it chose its password, and could then sign in with your email address.",
      );

      expect((await verify(tokens[owner]!)).data).toEqual({ verifyEmail: true });
      expect((await app.login(email)).user.username).toBe(owner);
      expect((await app.login(owner)).user.email).toBe(email);
      expect(codeOf(await verify(tokens[stranger]!))).toBe("INVALID_TOKEN");
      expect(codeOf(await login(stranger))).toBe("EMAIL_NOT_VERIFIED");
    });

    test("the email after a sign-up names every account that claims the address, and says who chose the password", async () => {
      await register("zoe", "zoe@example.com");
      await app.latchkey.outbox.deliverDue();
      await register("yves", "zoe@example.com");
      const [first, second] = (await emailsTo("zoe@example.com")).map(({ text }) => visible(text));
      expect(first).toContain("Someone registered the username zoe with this email address.");
      expect(tokensIn(first!)).toHaveLength(1);
      expect(second).toContain("Confirm only the one that you registered:\n\nConfirm for zoe:\n\n");
      expect(second).toContain("\n\nConfirm for yves:\n\n");
      const [zoe, yves, ...more] = tokensIn(second!);
      expect(more).toEqual([]);
      for (const text of [first, second])
        expect(text).toContain(
          "whoever registered it chose its password, and could then sign in with your email address.",
        );
      // Only the latest link for a username works.
      expect(codeOf(await verify(tokensIn(first!)[0]!))).toBe("INVALID_TOKEN");
      expect((await verify(zoe!)).data).toEqual({ verifyEmail: true });
      expect((await app.login("zoe@example.com")).user.username).toBe("zoe");
      expect(codeOf(await verify(yves!))).toBe("INVALID_TOKEN");
    });

    test("an email names the 10 newest of many accounts, the others in turn, and no disabled one", async () => {
      const email = "crowded@example.com";
      const { id: _id, ...template } = await app.createUser("crowd");
      const names = Array.from({ length: 32 }, (_, n) => `crowd-${n + 10}`);
      for (const [n, username] of names.entries()) {
        const disabledAt = n === 3 ? app.clock.now() : null;
        const id = `00000000-0000-7000-8000-0000000000${n + 10}`;
        await insertUser(app.latchkey.db, {
          ...template,
          id,
          username,
          email,
          emailVerifiedAt: null,
          disabledAt,
        });
      }
      const enabled = names.filter((_, n) => n !== 3);
      const newest = enabled.slice(-10);
      const others = enabled.slice(0, -10);
      for (const turn of [
        others.slice(0, 10),
        others.slice(10, 20),
        [...others.slice(0, 9), ...others.slice(20)],
      ]) {
        app.clock.advance(SECOND);
        await askForLink(email);
        const text = await lastTo(email);
        const named = [...text.matchAll(/^Confirm for (\S+):$/gm)].map(([, name]) => name);
        expect(named).toEqual([...turn, ...newest]);
        expect(new Set(tokensIn(text)).size).toBe(20);
        expect(text).toContain(
          "More usernames were registered with this email address than fit in one email.",
        );
      }
    });

    test("an email is no longer sent, nor replaced by a notice, once the account was verified in another way", async () => {
      const email = "vouched@example.com";
      refuseAll();
      await register("vouched", email);
      await app.latchkey.outbox.deliverDue();
      app.clock.advance(1);
      await app.latchkey.operator.verify("vouched");
      await acceptAll();
      expect([await emailsTo(email), await outboxOf(email)]).toEqual([[], []]);
      await register("latecomer", email);
      expect((await emailsTo(email)).map(({ headers }) => headers["subject"])).toEqual([
        "You already have an account",
      ]);
    });

    test("no email is sent for any of the accounts once the address is verified", async () => {
      const email = "settled@example.com";
      await register("settled", email);
      await register("settled-too", email);
      const [token] = tokensIn(await lastTo(email));
      expect((await verify(token!)).data).toEqual({ verifyEmail: true });
      await askForLink(email);
      expect(await emailsTo(email)).toHaveLength(2);
    });
  });

  test("a username cannot be a link in them, and still works when copied from an email", async () => {
    const username = "www.evil.example";
    const email = "victim@example.com";
    await register(username, email);
    const [message] = await emailsTo(email);
    for (const part of [message!.text, message!.html]) {
      expect(visible(part)).toContain(username);
      expect(part).not.toMatch(/evil\.|\.evil|\.example\b(?!\.com)/);
    }
    const [, copied] = /registered the username (\S+) with/.exec(message!.text)!;
    expect(copied).not.toBe(username);
    expect(codeOf(await login(copied!))).toBe("EMAIL_NOT_VERIFIED");
    await verify(tokensIn(message!.text)[0]!);
    expect((await app.login(copied!)).user.username).toBe(username);
  });
});
