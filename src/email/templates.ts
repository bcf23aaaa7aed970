import { escapeHtml } from "./escape-html.js";
import type { Email } from "./mailer.js";

/** The content of an email, whoever it goes to. */
export type EmailContent = Omit<Email, "to">;

/** What every email needs to know. */
export interface EmailFacts {
  /** The prefix of links, without a trailing slash. */
  appUrl: string;
  username: string;
}

export interface TokenEmailFacts extends EmailFacts {
  /** The one-time token for the link. */
  token: string;
}

/** The pages of the app that links with a token lead to. */
export type TokenPath = "/verify-email" | "/reset-password" | "/accept-invitation" | "/confirm-email-change";

/** A link that forms a paragraph of its own. */
interface Link {
  label: string;
  url: string;
}

/**
 * To an address that accounts claim: a link for each, which proves that its owner registered it. Works for 24 hours.
 * @param options.claims at least one
 * @param options.complete whether these are all the accounts that claim the address
 */
export function verifyEmail({
  appUrl,
  claims,
  complete,
}: {
  appUrl: string;
  claims: readonly { username: string; token: string }[];
  complete: boolean;
}): EmailContent {
  const links = claims.map(({ username, token }) => ({
    label: `Confirm for ${unlinked(username)}`,
    url: link(appUrl, "/verify-email", token),
  }));
  const intro =
    claims.length === 1
      ? `Someone registered the username ${unlinked(claims[0]!.username)} with this email address. If it was you, confirm your address to sign in:`
      : "Several usernames were registered with this email address. Confirm only the one that you registered:";
  return emailContent("Confirm your email address", [
    "Hello,",
    intro,
    ...links.flatMap((each) => (claims.length === 1 ? [each] : [`${each.label}:`, each])),
    ...(complete
      ? []
      : [
          "More usernames were registered with this email address than fit in one email. If yours is missing, ask for another email: each one lists others.",
        ]),
    "Each link works once, for 24 hours. If several emails have a link for the same username, only the latest link works.",
    "Do not confirm a username you do not know: whoever registered it chose its password, and could then sign in with your email address. If you did not register, ignore this email.",
  ]);
}

/** To the owner of an account, when someone registers with its address. */
export function alreadyRegistered({ appUrl, username }: EmailFacts): EmailContent {
  return emailContent("You already have an account", [
    `Hello ${unlinked(username)},`,
    "Someone tried to register with your email address. You already have an account, so nothing was changed.",
    `If it was you, sign in with your username, ${unlinked(username)}. If you forgot your password, you can reset it there.`,
    { label: "Go to the app", url: appUrl },
    "If it was not you, ignore this email: your account is safe.",
  ]);
}

/** To a user who forgot their password. Works for 10 minutes. */
export function resetPassword({ appUrl, username, token }: TokenEmailFacts): EmailContent {
  return emailContent("Set a new password", [
    `Hello ${unlinked(username)},`,
    "Use this link to set a new password. It also signs you out everywhere.",
    { label: "Set a new password", url: link(appUrl, "/reset-password", token) },
    "The link works once, for 10 minutes. If you asked more than once, only the link in the latest email works.",
    "If you did not ask for this, ignore this email: your password has not changed.",
  ]);
}

/** To someone an administrator created an account for. Works for 7 days. */
export function invitation({ appUrl, username, token }: TokenEmailFacts): EmailContent {
  return emailContent("You are invited", [
    "Hello,",
    `An administrator created an account for you. Your username is ${unlinked(username)}. Choose a password to get started.`,
    { label: "Choose a password", url: link(appUrl, "/accept-invitation", token) },
    "The link works once, for 7 days.",
    "If you were not expecting this, ignore this email: nobody can use the account without the link.",
  ]);
}

/** To the new address: proves that it is the user's. Works for 24 hours. */
export function confirmEmailChange({ appUrl, username, token }: TokenEmailFacts): EmailContent {
  return emailContent("Confirm your new email address", [
    "Hello,",
    `The account ${unlinked(username)} asked to change its email address to this one.`,
    "Confirm this only if the account is yours: whoever knows its password can then sign in with your email address.",
    { label: "Confirm my new address", url: link(appUrl, "/confirm-email-change", token) },
    "The link works once, for 24 hours. If you asked more than once, only the link in the latest email works. Until you confirm, the account keeps its old address.",
    "If you did not ask for this, ignore this email: nothing changes without the link.",
  ]);
}

/** To the old address, after the account's address has changed. */
export function emailChanged({
  appUrl,
  username,
  newEmail,
}: EmailFacts & { newEmail: string }): EmailContent {
  return emailContent("Your email address was changed", [
    `Hello ${unlinked(username)},`,
    `The email address of your account is now ${unlinked(newEmail)}. We will no longer send email to this address.`,
    "If it was you, there is nothing to do.",
    "If it was not you, contact an administrator now, and change your password.",
    { label: "Go to the app", url: appUrl },
  ]);
}

/** After an administrator changed the username. */
export function usernameChanged({ appUrl, username }: EmailFacts): EmailContent {
  return emailContent("Your username was changed", [
    `Hello ${unlinked(username)},`,
    `An administrator changed your username. It is now ${unlinked(username)}. Sign in with it, or with your email address.`,
    "If you did not ask for this, contact an administrator.",
    { label: "Go to the app", url: appUrl },
  ]);
}

/** After the password was changed or reset. */
export function passwordChanged({ appUrl, username }: EmailFacts): EmailContent {
  return emailContent("Your password was changed", [
    `Hello ${unlinked(username)},`,
    "The password of your account was changed.",
    "If it was you, there is nothing to do.",
    "If it was not you, set a new password now, and contact an administrator.",
    { label: "Go to the app", url: appUrl },
  ]);
}

/** What happened to a user's second factors. */
export type MfaChange = keyof typeof MFA_CHANGES;

const MFA_CHANGES = {
  TOTP_ENABLED: [
    "An authenticator app was added to your account",
    "From now on, signing in with the password requires a second factor.",
  ],
  TOTP_DISABLED: ["The authenticator app was removed from your account", "Its codes no longer work."],
  PASSKEY_ADDED: [
    "A passkey was added to your account",
    "From now on, signing in with the password requires a second factor. The passkey also signs you in on its own.",
  ],
  PASSKEY_REMOVED: ["A passkey was removed from your account", "It no longer works."],
  RECOVERY_CODES_REPLACED: ["Your account has new recovery codes", "The earlier ones no longer work."],
  RECOVERY_CODE_USED: [
    "A recovery code for your account was used",
    "Someone signed in to your account with the password and one of its recovery codes.",
  ],
  MFA_RESET: [
    "The second factors of your account were removed",
    "An administrator removed the authenticator app, the passkeys and the recovery codes. From now on, the password is enough to sign in.",
  ],
} as const;

/** After a change of the second factors. @param facts.left how many recovery codes are left after one was used */
export function mfaChanged({
  appUrl,
  username,
  change,
  left,
}: EmailFacts & { change: MfaChange; left?: number }): EmailContent {
  const [subject, text] = MFA_CHANGES[change];
  return emailContent(subject, [
    `Hello ${unlinked(username)},`,
    `${subject}. ${text}`,
    ...(left === undefined ? [] : [codesLeft(left)]),
    "If it was you, there is nothing to do.",
    "If it was not you, set a new password now, and contact an administrator.",
    { label: "Go to the app", url: appUrl },
  ]);
}

/** From this number on, a user is asked to make new recovery codes. */
const FEW_CODES = 2;

function codesLeft(left: number): string {
  const count = `You have ${left === 0 ? "no recovery codes" : left === 1 ? "1 recovery code" : `${left} recovery codes`} left.`;
  return left > FEW_CODES ? count : `${count} Create new ones soon.`;
}

/** The last email an account gets. */
export function accountDeleted({ username }: { username: string }): EmailContent {
  return emailContent("Your account was deleted", [
    `Hello ${unlinked(username)},`,
    "Your account and everything that belonged to it were deleted. This cannot be undone.",
    "If it was not you, contact an administrator.",
  ]);
}

/** Email clients differ in which of the two ends a link: Apple's continue past a zero-width space. Both are invisible. */
const BREAK = "\u2060\u200b";

/**
 * A name that somebody chose, broken up so that no email client turns it into a link: `www.evil.example` and a phone
 * number are valid usernames. It is broken on both sides of every character that is not a letter.
 */
function unlinked(name: string): string {
  return name.replace(/(?<=\P{L})(?=.)|(?<=.)(?=\P{L})/gu, BREAK);
}

function link(appUrl: string, path: TokenPath, token: string): string {
  return `${appUrl}${path}?token=${encodeURIComponent(token)}`;
}

/** Builds the text and the HTML from the same words. */
function emailContent(subject: string, paragraphs: readonly (string | Link)[]): EmailContent {
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
