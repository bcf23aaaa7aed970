/** An email that is ready to be sent to one address. */
export interface Email {
  to: string;
  subject: string;
  text: string;
  html: string;
}

/** Where emails go: to a mail server, or in development to whoever looks at the terminal. */
export interface Mailer {
  /**
   * Resolves once the email is in somebody else's hands.
   * @throws PermanentEmailError when trying again is of no use; after any other error it may be
   */
  send(message: Email): Promise<void>;
  /** Ends what is still being sent, which then fails. */
  close(): Promise<void>;
}

/** An email was not sent. The message holds nothing of the email, nor whom it was for. */
export class EmailError extends Error {
  override readonly name: string = "EmailError";
}

/** The mail server will not have this email, now or later. */
export class PermanentEmailError extends EmailError {
  override readonly name = "PermanentEmailError";
}
