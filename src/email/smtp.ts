import { createTransport } from "nodemailer";
import { SECOND } from "../clock.js";
import { type Email, EmailError, type Mailer, PermanentEmailError } from "./mailer.js";

const CONNECTION_TIMEOUT = 10 * SECOND;
const GREETING_TIMEOUT = 10 * SECOND;
const SOCKET_TIMEOUT = 20 * SECOND;
/** For an email altogether: a server that says a little now and then never meets the timeouts above. */
const SEND_TIMEOUT = 40 * SECOND;
const MAX_CONNECTIONS = 5;

/** What nodemailer says of a failure. */
interface SmtpFailure {
  code?: string;
  command?: string;
  responseCode?: number;
  permanent?: boolean;
}

/** Sends emails through a mail server. */
export class SmtpMailer implements Mailer {
  readonly #transport: ReturnType<typeof createSmtpTransport>;
  readonly #from: string;

  /**
   * @param options.url `smtp://` or `smtps://`, with the credentials in it
   * @param options.from an address, or NAME <ADDRESS>
   */
  constructor({ url, from }: { url: string; from: string }) {
    this.#transport = createSmtpTransport(url);
    this.#from = from;
  }

  async send({ to, subject, text, html }: Email): Promise<void> {
    if (/[\r\n\0]/.test(to + subject))
      throw new PermanentEmailError("an email's header has a line break in it");
    try {
      await this.#transport.sendMail({
        from: this.#from,
        // As an object it is one address whatever is in it, never a list.
        to: { name: "", address: to },
        subject,
        text,
        html,
        // RFC 3834: no out-of-office notes, please.
        headers: { "Auto-Submitted": "auto-generated" },
        signal: AbortSignal.timeout(SEND_TIMEOUT),
      });
    } catch (error) {
      throw toEmailError(error as SmtpFailure);
    }
  }

  async close(): Promise<void> {
    this.#transport.close({ force: true });
  }
}

function createSmtpTransport(url: string) {
  return createTransport({
    url,
    pool: true,
    maxConnections: MAX_CONNECTIONS,
    // Enough for a connection that the server has dropped between two emails; the outbox does the rest.
    maxRequeues: 1,
    connectionTimeout: CONNECTION_TIMEOUT,
    greetingTimeout: GREETING_TIMEOUT,
    socketTimeout: SOCKET_TIMEOUT,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
}

/** Says where it failed and how, in words of ours: the server's own often repeat the address. */
function toEmailError({ code, command, responseCode, permanent }: SmtpFailure): EmailError {
  const answer = responseCode === undefined ? (code ?? "no answer") : `${responseCode}`;
  const message = `the email was not sent: ${command ?? "SMTP"}: ${answer}`;
  // A 5xx before the recipient is about us (the password, the sender) and ends when the operator mends it.
  const aboutThisEmail = command === "RCPT TO" || command === "DATA";
  return permanent && aboutThisEmail ? new PermanentEmailError(message) : new EmailError(message);
}
