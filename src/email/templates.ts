import { escapeHtml } from "./escape-html.js";
import type { Email } from "./mailer.js";

/** What an email says, to whomever it goes. */
export type Letter = Omit<Email, "to">;

/** What all emails need to know. */
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

/**
 * To an address that accounts claim: a link for each, which proves that its owner registered it. Works for 24 hours.
 * @param options.claims at least one
 */
export function verifyEmail({
  appUrl,
  claims,
}: {
  appUrl: string;
  claims: readonly { username: string; token: string }[];
}): Letter {
  const links = claims.map(({ username, token }) => ({
    label: `Confirm for ${unlinked(username)}`,
    url: link(appUrl, "/verify-email", token),
  }));
  const intro =
    claims.length === 1
      ? `Someone registered the username ${unlinked(claims[0]!.username)} with this email address. If it was you, confirm your address to sign in:`
      : "Several usernames were registered with this email address. Confirm only the one that you registered:";
  return letter("Confirm your email address", [
    "Hello,",
    intro,
    ...links.flatMap((each) => (claims.length === 1 ? [each] : [`${each.label}:`, each])),
    "Each link works once, for 24 hours.",
    "Do not confirm a username you do not know: whoever registered it chose its password, and could then sign in with your email address. If you did not register, ignore this email.",
  ]);
}

/** To an address that has an account, when somebody registers with it. */
export function alreadyRegistered({ appUrl, username }: LetterFacts): Letter {
  return letter("You already have an account", [
    `Hello ${unlinked(username)},`,
    "Someone tried to register with your email address. You already have an account, so nothing was changed.",
    `If it was you, sign in with your username, ${unlinked(username)}. If you forgot your password, you can reset it there.`,
    { label: "Go to the app", url: appUrl },
    "If it was not you, ignore this email: your account is safe.",
  ]);
}

/** To a user who forgot the password. Works for 10 minutes. */
export function resetPassword({ appUrl, username, token }: LetterWithToken): Letter {
  return letter("Set a new password", [
    `Hello ${unlinked(username)},`,
    "You can set a new password with this link. It also signs you out everywhere.",
    { label: "Set a new password", url: link(appUrl, "/reset-password", token) },
    "The link works once, for 10 minutes. If you asked for several, only the latest works.",
    "If you did not ask for it, ignore this email: your password stays as it is.",
  ]);
}

/** To a person an administrator has created an account for. Works for 7 days. */
export function invitation({ appUrl, username, token }: LetterWithToken): Letter {
  return letter("You are invited", [
    "Hello,",
    `An administrator has created an account for you. Your username is ${unlinked(username)}. Choose a password to start.`,
    { label: "Choose a password", url: link(appUrl, "/accept-invitation", token) },
    "The link works once, for 7 days.",
    "If you do not know what this is about, ignore this email: without the link nobody can use the account.",
  ]);
}

/** To the new address: proves that it is the user's. Works for 24 hours. */
export function confirmEmailChange({ appUrl, username, token }: LetterWithToken): Letter {
  return letter("Confirm your new email address", [
    "Hello,",
    `The account ${unlinked(username)} asked to use this email address from now on.`,
    "Confirm it only if the account is yours: whoever knows its password can then sign in with your email address.",
    { label: "Confirm my new address", url: link(appUrl, "/confirm-email-change", token) },
    "The link works once, for 24 hours. Until then your old address stays in use.",
    "If you did not ask for it, ignore this email: nothing is changed without the link.",
  ]);
}

/** To the old address, once the account has another. */
export function emailChanged({ appUrl, username, newEmail }: LetterFacts & { newEmail: string }): Letter {
  return letter("Your email address was changed", [
    `Hello ${unlinked(username)},`,
    `The email address of your account is now ${unlinked(newEmail)}. We will no longer write to this address.`,
    "If it was you, there is nothing to do.",
    "If it was not you, contact an administrator now, and change your password.",
    { label: "Go to the app", url: appUrl },
  ]);
}

/** After an administrator changed the username. */
export function usernameChanged({ appUrl, username }: LetterFacts): Letter {
  return letter("Your username was changed", [
    `Hello ${unlinked(username)},`,
    `An administrator has changed your username. It is now ${unlinked(username)}: sign in with it, or with your email address.`,
    "If you did not ask for it, contact an administrator.",
    { label: "Go to the app", url: appUrl },
  ]);
}

/** After the password was changed or reset. */
export function passwordChanged({ appUrl, username }: LetterFacts): Letter {
  return letter("Your password was changed", [
    `Hello ${unlinked(username)},`,
    "The password of your account was changed.",
    "If it was you, there is nothing to do.",
    "If it was not you, set a new password now, and contact an administrator.",
    { label: "Go to the app", url: appUrl },
  ]);
}

/** The last email of an account. */
export function accountDeleted({ username }: { username: string }): Letter {
  return letter("Your account was deleted", [
    `Hello ${unlinked(username)},`,
    "Your account was deleted, with everything that belonged to it. This cannot be undone.",
    "If it was not you, contact an administrator.",
  ]);
}

/** Email clients differ in which of them ends a link: Apple's go on over a zero-width space. Neither is seen. */
const BREAK = "\u2060\u200b";

/**
 * A name that somebody chose, so that no mail program makes a link of it: `www.evil.example` and a phone number are
 * usernames too. It is broken on both sides of each character but letters.
 */
function unlinked(name: string): string {
  return name.replace(/(?<=\P{L})(?=.)|(?<=.)(?=\P{L})/gu, BREAK);
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
