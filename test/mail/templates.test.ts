import { describe, expect, test } from "@jest/globals";
import {
  accountDeleted,
  alreadyRegistered,
  confirmEmailChange,
  emailChanged,
  invitation,
  passwordChanged,
  resetPassword,
  usernameChanged,
  verifyEmail,
} from "../../src/mail/templates.js";

const FACTS = {
  appUrl: "https://app.example.com",
  username: "alice",
  token: "a-token_of/some&kind",
  newEmail: "new@example.com",
};
const TOKEN = "a-token_of%2Fsome%26kind";
const HOSTILE = {
  appUrl: "https://app.example.com",
  username: '<img src="x" onerror=alert(1)>',
  token: "\"><script>alert('1')</script>",
  newEmail: "<b>'&\"@example.com",
};

const LETTERS = {
  accountDeleted,
  alreadyRegistered,
  confirmEmailChange,
  emailChanged,
  invitation,
  passwordChanged,
  resetPassword,
  usernameChanged,
  verifyEmail,
};

describe("the mails", () => {
  test.each([
    [verifyEmail, "/verify-email", "24 hours"],
    [resetPassword, "/reset-password", "10 minutes"],
    [invitation, "/accept-invitation", "7 days"],
    [confirmEmailChange, "/confirm-email-change", "24 hours"],
  ])("%p links to %s for %s", (make, path, duration) => {
    const { text, html } = make(FACTS);
    const url = `https://app.example.com${path}?token=${TOKEN}`;
    expect(text).toContain(`\n${url}\n`);
    expect(html).toContain(`href="${url}"`);
    for (const part of [text, html]) expect(part).toContain(`works for ${duration}, once.`);
    expect(text).toMatch(/Then do nothing: /);
  });

  test("a new address is not sent a word that whoever typed it has chosen", () => {
    const { subject, text, html } = verifyEmail({ ...FACTS, username: "evil.example.com" });
    expect(subject + text + html).not.toContain("evil");
  });

  test("the others say what happened, and what to do when it was not you", () => {
    expect(alreadyRegistered(FACTS).text).toMatch(/You already have an account.*username, alice/s);
    expect(emailChanged(FACTS).text).toContain("is now new@example.com.");
    expect(usernameChanged(FACTS).text).toMatch(/It is now alice: .*You did not ask for it\? Then ask /s);
    expect(accountDeleted({}).text).toMatch(/^Hello,\n/);
    for (const make of [alreadyRegistered, emailChanged, passwordChanged, accountDeleted]) {
      const { text } = make(FACTS);
      expect(text).toContain("Hello alice,");
      expect(text).toMatch(/Was it not you\? Then /);
      expect(text).not.toContain("token");
    }
  });

  test.each(Object.entries(LETTERS))("%s is text, and the same as safe HTML", (_name, make) => {
    const { subject, text, html } = make(HOSTILE);
    expect(subject).toMatch(/^[\w' -]{5,60}$/);
    expect(text).not.toMatch(/undefined|&(?:amp|lt|#39);/);
    expect(html).not.toMatch(/<(?:script|img|b)\b|undefined|"@|'1'/);
    const words = html
      .replace(/<title>.*<\/title>/, "")
      .replace(/<[^>]+>/g, "")
      .replace(
        /&(amp|lt|gt|quot|#39);/g,
        (_, name) => ({ amp: "&", lt: "<", gt: ">", quot: '"' })[name as string] ?? "'",
      );
    for (const paragraph of text.trim().split("\n\n"))
      expect(words).toContain(paragraph.replace(/^https:.*\.com$/, ""));
  });
});
