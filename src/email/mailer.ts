/** An email that is ready to be sent, to one address. */
export interface Email {
  to: string;
  subject: string;
  text: string;
  html: string;
}

/** Sends emails: to a mail server, or in development to the terminal. */
export interface Mailer {
  /**
   * Resolves once the mail server has accepted the email.
   * @throws PermanentEmailError when another attempt is pointless; any other error may be temporary
   */
  send(message: Email): Promise<void>;
  /** Aborts emails that are being sent: sending them fails. */
  close(): Promise<void>;
}

/** An email was not sent. The message contains neither its content nor its recipient. */
export class EmailError extends Error {
  override readonly name: string = "EmailError";
}

/** The mail server rejects this email, now and later. */
export class PermanentEmailError extends EmailError {
  override readonly name = "PermanentEmailError";
}
