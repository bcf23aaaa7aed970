import type { PrintedMailer } from "../../src/email/printed.js";
import type { App } from "./app.js";

/** Sends what is due, and returns the token in the latest email to an address. */
export async function emailedToken(app: App, email: string): Promise<string> {
  await app.latchkey.outbox.deliverDue();
  const { emails } = app.latchkey.mailer as PrintedMailer;
  const text = emails.find(({ to }) => to === email)?.text ?? "";
  const token = /token=([\w-]{43})/.exec(text)?.[1];
  if (token === undefined) throw new Error(`no token in: ${text}`);
  return token;
}
