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
} from "../../src/email/templates.js";

const FACTS = {
  appUrl: "https://app.example.com",
  username: "alice",
  token: "a-token_of/some&kind",
  newEmail: "new@example.com",
  claims: [{ username: "alice", token: "a-token_of/some&kind" }],
  complete: true,
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
  complete: false,
};

const TEMPLATES = {
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

/** A text as a reader sees it, without invisible characters. */
const visible = (text: string) => text.replace(/\p{Default_Ignorable_Code_Point}/gu, "");

describe("the emails", () => {
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

  test("a link to verify an address names its username, and says who chose the password", () => {
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
    const more = "More usernames were registered with this email address than fit in one email.";
    expect(several.text).not.toContain(more);
    expect(verifyEmail({ ...FACTS, complete: false }).text).toContain(more);
  });

  // An invitation is sent only once.
  test.each([verifyEmail, resetPassword, confirmEmailChange])(
    "%p says that only the latest link works",
    (make) => {
      expect(make(FACTS).text).toMatch(/only the (latest link|link in the latest email) works\./);
    },
  );

  test("notices say what happened, and what to do if it was not you", () => {
    expect(alreadyRegistered(FACTS).text).toMatch(/You already have an account.*username, alice/s);
    expect(visible(emailChanged(FACTS).text)).toContain("is now new@example.com.");
    expect(confirmEmailChange(FACTS).text).toMatch(
      /The account alice asked .*whoever knows its password can then sign in/s,
    );
    expect(usernameChanged(FACTS).text).toMatch(
      /It is now alice\. .*If you did not ask for this, contact an administrator/s,
    );
    for (const make of [alreadyRegistered, emailChanged, passwordChanged, accountDeleted]) {
      const { text } = make(FACTS);
      expect(text).toContain("Hello alice,");
      expect(text).toMatch(/If it was not you, /);
      expect(text).not.toContain("token");
    }
  });

  // Email clients turn bare host names, email addresses and telephone numbers into links.
  test.each(Object.entries(TEMPLATES))("%s turns no user-supplied text into a link", (_name, make) => {
    for (const username of [
      "www.evil.example",
      "evil.com",
      "a-b_c.evil.io",
      "0900-555-0199",
      "18005550199",
    ]) {
      const { text, html } = make({
        ...FACTS,
        username,
        newEmail: `${username}@evil.example`,
        claims: [
          { username, token: "t" },
          { username: "evil.example", token: "t" },
        ],
      });
      for (const part of [text, html]) {
        expect(visible(part)).toContain(username);
        const words = part.replace(/https:\/\/app\.example\.com[^\s"<]*/g, "").replace(/<[^>]*>/g, "");
        expect(words).not.toMatch(/\.[a-z]{2}|www\.|@[a-z]|\d{3}/);
      }
    }
  });

  test.each(Object.entries(TEMPLATES))("%s has the same content as text and as safe HTML", (_name, make) => {
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
