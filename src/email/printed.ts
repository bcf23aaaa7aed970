import type { Clock } from "../clock.js";
import type { Mail, Mailer } from "./mailer.js";

const KEPT = 50;

export interface PrintedMail extends Mail {
  /** When it was printed, epoch milliseconds. */
  at: number;
}

export interface PrintedMailerDeps {
  clock: Clock;
  print: (text: string) => void;
}

/** For development: mails go to the terminal, and the last ones are kept for a page that shows them. */
export class PrintedMailer implements Mailer {
  #mails: readonly PrintedMail[] = [];

  constructor(private readonly deps: PrintedMailerDeps) {}

  /** Newest first. */
  get mails(): readonly PrintedMail[] {
    return this.#mails;
  }

  async send(mail: Mail): Promise<void> {
    this.#mails = [{ ...mail, at: this.deps.clock.now() }, ...this.#mails].slice(0, KEPT);
    this.deps.print(`\nA mail to ${mail.to}: ${mail.subject}\n\n${mail.text.replace(/^(?=.)/gm, "  ")}\n`);
  }

  async close(): Promise<void> {}
}
