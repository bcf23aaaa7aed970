import { SECOND } from "../clock.js";
import { type Email, EmailError, type Mailer, PermanentEmailError } from "./mailer.js";

const CONNECTION_TIMEOUT = 10 * SECOND;
const GREETING_TIMEOUT = 10 * SECOND;
const SOCKET_TIMEOUT = 20 * SECOND;
/** For a whole email: a server that keeps sending a little never reaches the timeouts above. */
const SEND_TIMEOUT = 40 * SECOND;
const MAX_CONNECTIONS = 5;

/** What nodemailer reports about a failure. */
interface SmtpFailure {
  code?: string;
  command?: string;
  responseCode?: number;
  permanent?: boolean;
}

/** Sends emails through a mail server. */
export class SmtpMailer implements Mailer {
  readonly #url: string;
  readonly #from: string;
  /** Created with the first email: many servers send none for days, and nodemailer takes memory. */
  #transport: ReturnType<typeof createSmtpTransport> | undefined;

  /**
   * @param options.url `smtp://` or `smtps://`, including the credentials
   * @param options.from an address, or NAME <ADDRESS>
   */
  constructor({ url, from }: { url: string; from: string }) {
    this.#url = url;
    this.#from = from;
  }

  async send({ to, subject, text, html }: Email): Promise<void> {
    if (/[\r\n\0]/.test(to + subject))
      throw new PermanentEmailError("a header of the email contains a line break");
    try {
      this.#transport ??= createSmtpTransport(this.#url);
      const transport = await this.#transport;
      await transport.sendMail({
        from: this.#from,
        // An object is always one address, whatever it contains; a string could be a list.
        to: { name: "", address: to },
        subject,
        text,
        html,
        // RFC 3834: asks for no out-of-office replies.
        headers: { "Auto-Submitted": "auto-generated" },
        signal: AbortSignal.timeout(SEND_TIMEOUT),
      });
    } catch (error) {
      throw toEmailError(error as SmtpFailure);
    }
  }

  async close(): Promise<void> {
    (await this.#transport)?.close({ force: true });
  }
}

async function createSmtpTransport(url: string) {
  const { createTransport } = await import("nodemailer");
  return createTransport({
    url,
    pool: true,
    maxConnections: MAX_CONNECTIONS,
    // Enough for a connection that the server closed between two emails; the outbox handles other failures.
    maxRequeues: 1,
    connectionTimeout: CONNECTION_TIMEOUT,
    greetingTimeout: GREETING_TIMEOUT,
    socketTimeout: SOCKET_TIMEOUT,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
}

/** Reports the failed command and status code, but not the server's message, which often repeats the address. */
function toEmailError({ code, command, responseCode, permanent }: SmtpFailure): EmailError {
  const answer = responseCode === undefined ? (code ?? "no answer") : `${responseCode}`;
  const message = `the email was not sent: ${command ?? "SMTP"}: ${answer}`;
  // A 5xx before RCPT TO is about our configuration (password, sender): the operator can fix it.
  const aboutThisEmail = command === "RCPT TO" || command === "DATA";
  return permanent && aboutThisEmail ? new PermanentEmailError(message) : new EmailError(message);
}
