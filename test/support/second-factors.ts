import type { PrintedMailer } from "../../src/email/printed.js";
import { visible } from "./account-emails.js";
import { outcomeOf } from "./answers.js";
import type { App } from "./app.js";
import { VERIFY_RECOVERY_CODE, VERIFY_TOTP } from "./operations.js";
import { challengeFor } from "./totp.js";

/** Signs in with the password and a code of the app. @returns "OK", or the code of the error */
export async function signInWithCode(
  app: App,
  username: string,
  code: string,
  options?: { from?: string },
): Promise<string> {
  const challenge = await challengeFor(app, username, options);
  return outcomeOf(await app.send(VERIFY_TOTP, { challenge, code }, options));
}

/** Signs in with the password and a recovery code. @returns "OK", or the code of the error */
export async function signInWithRecoveryCode(
  app: App,
  username: string,
  code: string,
  options?: { from?: string },
): Promise<string> {
  const challenge = await challengeFor(app, username, options);
  return outcomeOf(await app.send(VERIFY_RECOVERY_CODE, { challenge, code }, options));
}

/** Sends what is due, and returns the texts of the emails to an address, oldest first. */
export async function printedEmailsTo(app: App, address: string): Promise<string[]> {
  await app.latchkey.outbox.deliverDue();
  const { emails } = app.latchkey.mailer as PrintedMailer;
  return emails
    .filter(({ to }) => to === address)
    .map(({ text }) => visible(text))
    .reverse();
}
