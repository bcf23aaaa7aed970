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
  claims: [{ username: "alice", token: "a-token_of/some&kind" }],
};
const TOKEN = "a-token_of%2Fsome%26kind";
const HOSTILE = {
  appUrl: "https://app.example.com",
  username: '<img src="x" onerror=alert(1)>',
  token: "\"><script>alert('1')</script>",
  newEmail: "<b>'&\"@example.com",
  claims: [
    { username: '<img src="x" onerror=alert(1)>', token: "\"><script>alert('1')</script>" },
    { username: "<b>another</b>", token: "t" },
  ],
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
    for (const part of [text, html]) expect(part).toContain(`works once, for ${duration}.`);
    expect(text).toContain("ignore this email");
  });

  test("a link to verify an address says which username it is for, and whose password opens it", () => {
    const { text } = verifyEmail({ ...FACTS, claims: [{ username: "alice", token: "t1" }] });
    expect(text).toContain("Someone registered the username alice with this email address.");
    expect(text).toContain("whoever registered it chose its password");
    const several = verifyEmail({
      ...FACTS,
      claims: [
        { username: "alice", token: "t1" },
        { username: "mallory", token: "t2" },
      ],
    });
    expect(several.text).toMatch(
      /Confirm for alice:\n\nhttps:\/\/app\.example\.com\/verify-email\?token=t1\n\nConfirm for mallory:\n\n\S+token=t2\n/,
    );
  });

  test("the others say what happened, and what to do when it was not you", () => {
    expect(alreadyRegistered(FACTS).text).toMatch(/You already have an account.*username, alice/s);
    expect(emailChanged(FACTS).text).toContain("is now new@\u200bexample.\u200bcom.");
    expect(usernameChanged(FACTS).text).toMatch(
      /It is now alice: .*If you did not ask for it, contact an administrator/s,
    );
    for (const make of [alreadyRegistered, emailChanged, passwordChanged, accountDeleted]) {
      const { text } = make(FACTS);
      expect(text).toContain("Hello alice,");
      expect(text).toMatch(/If it was not you, /);
      expect(text).not.toContain("token");
    }
  });

  // Mail programs make links of `www.` and of a name that ends as a host does, without a scheme.
  test.each(Object.entries(LETTERS))(
    "%s shows a name that looks like a host so that it is no link",
    (_name, make) => {
      const username = "www.evil.example";
      const { text, html, subject } = make({
        ...FACTS,
        username,
        newEmail: "someone@evil.example",
        claims: [
          { username, token: "t" },
          { username: "evil.example", token: "t" },
        ],
      });
      for (const part of [text, html, subject]) {
        expect(part).not.toMatch(/www\.(?!\u200b)|[.@]evil|evil\.(?!\u200b)/);
      }
      expect(`${text}`.replaceAll("\u200b", "")).toContain("evil.example");
    },
  );

  test.each(Object.entries(LETTERS))("%s is text, and the same as safe HTML", (_name, make) => {
    const { subject, text, html } = make(HOSTILE);
    expect(subject).toMatch(/^[\w' ]{5,60}$/);
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
