/** A mail that is ready to be sent to one address. */
export interface Mail {
  to: string;
  subject: string;
  text: string;
  html: string;
}

/** Where mails go: to a mail server, or in development to whoever looks at the terminal. */
export interface Mailer {
  /**
   * Resolves once the mail is in somebody else's hands.
   * @throws PermanentMailError when trying again is of no use; after any other error it may be
   */
  send(mail: Mail): Promise<void>;
  /** Ends what is still being sent, which then fails. */
  close(): Promise<void>;
}

/** A mail was not sent. The message holds nothing of the mail, nor whom it was for. */
export class MailError extends Error {
  override readonly name: string = "MailError";
}

/** The mail server will not have this mail, now or later. */
export class PermanentMailError extends MailError {
  override readonly name = "PermanentMailError";
}
