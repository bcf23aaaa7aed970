import { type Mailer, PermanentEmailError } from "./mailer.js";

/** For production without a mail server: sends nothing, because a token must never be printed there. */
export class NoMailer implements Mailer {
  async send(): Promise<void> {
    throw new PermanentEmailError("the email was not sent: SMTP_URL is not set");
  }

  async close(): Promise<void> {}
}
