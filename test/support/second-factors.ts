import type { PrintedMailer } from "../../src/email/printed.js";
import { visible } from "./account-emails.js";
import { outcomeOf } from "./answers.js";
import type { App } from "./app.js";
import { VERIFY_RECOVERY_CODE, VERIFY_TOTP } from "./operations.js";
import { challengeFor } from "./totp.js";

/** Returns a function that signs in with the password and a code, and returns "OK", or the code of the error. */
const signInWith =
  (verify: typeof VERIFY_TOTP | typeof VERIFY_RECOVERY_CODE) =>
  async (app: App, username: string, code: string, options?: { from?: string }): Promise<string> => {
    const challenge = await challengeFor(app, username, options);
    return outcomeOf(
      await app.send<unknown, { challenge: string; code: string }>(verify, { challenge, code }, options),
    );
  };

/** With a code of the app. */
export const signInWithCode = signInWith(VERIFY_TOTP);
/** With a recovery code. */
export const signInWithRecoveryCode = signInWith(VERIFY_RECOVERY_CODE);

/** Sends what is due, and returns the texts of the emails to an address, oldest first. */
export async function printedEmailsTo(app: App, address: string): Promise<string[]> {
  await app.latchkey.outbox.deliverDue();
  const { emails } = app.latchkey.mailer as PrintedMailer;
  return emails
    .filter(({ to }) => to === address)
    .map(({ text }) => visible(text))
    .reverse();
}
