import { escapeHtml } from "./escape-html.js";
import type { Mail } from "./mailer.js";

/** What a mail says, to whomever it goes. */
export type Letter = Omit<Mail, "to">;

/** What all letters need to know. */
export interface LetterFacts {
  /** What links start with, without a trailing slash. */
  appUrl: string;
  username: string;
}

export interface LetterWithToken extends LetterFacts {
  /** Of one use, for the link. */
  token: string;
}

/** A link that stands in a paragraph's place. */
interface Link {
  label: string;
  url: string;
}

/** To a new address: proves that it is its owner who signed up. Works for 24 hours. */
export function verifyEmail({ appUrl, token }: LetterWithToken): Letter {
  // Without the username: whoever signs up with another's address would choose a word of this mail.
  return letter("Confirm your e-mail address", [
    "Hello,",
    "please confirm that this is your e-mail address. Then you can sign in.",
    { label: "Confirm my address", url: link(appUrl, "/verify-email", token) },
    "The link works for 24 hours, once.",
    "You did not sign up? Then do nothing: without this link nobody can use an account with your address.",
  ]);
}

/** To an address that has an account, when somebody signs up with it. */
export function alreadyRegistered({ appUrl, username }: LetterFacts): Letter {
  return letter("You already have an account", [
    `Hello ${username},`,
    "somebody tried to sign up with your e-mail address. You already have an account, so nothing was changed.",
    `Was it you? Then sign in with your username, ${username}. If you do not know your password any more, ask for a new one there.`,
    { label: "Go to the app", url: appUrl },
    "Was it not you? Then do nothing: your account is safe.",
  ]);
}

/** To who has forgotten the password. Works for 10 minutes. */
export function resetPassword({ appUrl, username, token }: LetterWithToken): Letter {
  return letter("Set a new password", [
    `Hello ${username},`,
    "you can set a new password here. It also signs you out everywhere.",
    { label: "Set a new password", url: link(appUrl, "/reset-password", token) },
    "The link works for 10 minutes, once. If you have asked for several, only the latest works.",
    "You did not ask for it? Then do nothing: your password stays as it is.",
  ]);
}

/** To somebody an administrator has made an account for. Works for 7 days. */
export function invitation({ appUrl, username, token }: LetterWithToken): Letter {
  return letter("You are invited", [
    "Hello,",
    `an administrator has made an account for you. Your username is ${username}. Choose a password to start.`,
    { label: "Choose a password", url: link(appUrl, "/accept-invitation", token) },
    "The link works for 7 days, once.",
    "You do not know what this is about? Then do nothing: without this link nobody can use the account.",
  ]);
}

/** To the new address: proves that it is the user's. Works for 24 hours. */
export function confirmEmailChange({ appUrl, username, token }: LetterWithToken): Letter {
  return letter("Confirm your new e-mail address", [
    "Hello,",
    `please confirm that this is the new e-mail address of your account, ${username}.`,
    { label: "Confirm my new address", url: link(appUrl, "/confirm-email-change", token) },
    "The link works for 24 hours, once. Until then your old address stays in use.",
    "You did not ask for it? Then do nothing: nothing is changed without this link.",
  ]);
}

/** To the old address, once the account has another. */
export function emailChanged({ appUrl, username, newEmail }: LetterFacts & { newEmail: string }): Letter {
  return letter("Your e-mail address was changed", [
    `Hello ${username},`,
    `the e-mail address of your account is now ${newEmail}. We do not write to this address any more.`,
    "Was it you? Then there is nothing to do.",
    "Was it not you? Then tell an administrator at once, and change your password.",
    { label: "Go to the app", url: appUrl },
  ]);
}

/** After an administrator gave the account another name. */
export function usernameChanged({ appUrl, username }: LetterFacts): Letter {
  return letter("Your username was changed", [
    `Hello ${username},`,
    `an administrator has changed your username. It is now ${username}: sign in with it, or with your e-mail address.`,
    "You did not ask for it? Then ask an administrator.",
    { label: "Go to the app", url: appUrl },
  ]);
}

/** After the password was changed or reset. */
export function passwordChanged({ appUrl, username }: LetterFacts): Letter {
  return letter("Your password was changed", [
    `Hello ${username},`,
    "the password of your account was changed.",
    "Was it you? Then there is nothing to do.",
    "Was it not you? Then set a new password at once, and tell an administrator.",
    { label: "Go to the app", url: appUrl },
  ]);
}

/** The last mail of an account. When it is sent there is no user any more to name. */
export function accountDeleted({ username }: { username?: string | undefined }): Letter {
  return letter("Your account was deleted", [
    username === undefined ? "Hello," : `Hello ${username},`,
    "your account was deleted, with everything that belonged to it. This cannot be undone.",
    "Was it not you? Then tell an administrator.",
  ]);
}

function link(appUrl: string, path: string, token: string): string {
  return `${appUrl}${path}?token=${encodeURIComponent(token)}`;
}

/** Text and HTML from the same words, so that both say the same. */
function letter(subject: string, paragraphs: readonly (string | Link)[]): Letter {
  const text = paragraphs.map((part) => (typeof part === "string" ? part : part.url)).join("\n\n");
  const body = paragraphs.map((part) => (typeof part === "string" ? paragraph(part) : button(part)));
  const html = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>${escapeHtml(subject)}</title></head>
<body style="margin:0 auto;padding:24px;max-width:560px;font:16px/1.5 sans-serif;color:#222;background:#fff">
${body.join("\n")}
</body>
</html>
`;
  return { subject, text: `${text}\n`, html };
}

function paragraph(text: string): string {
  return `<p>${escapeHtml(text)}</p>`;
}

function button({ label, url }: Link): string {
  const href = escapeHtml(url);
  return `<p><a href="${href}" style="display:inline-block;padding:10px 18px;border-radius:6px;color:#fff;background:#1d4ed8;text-decoration:none">${escapeHtml(label)}</a></p>
<p style="font-size:13px;color:#555;overflow-wrap:anywhere">Or copy this address into your browser:<br>${href}</p>`;
}
