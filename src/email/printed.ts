import type { Clock } from "../clock.js";
import type { Mail, Mailer } from "./mailer.js";

const KEPT = 50;

export interface PrintedMail extends Mail {
  /** When it was printed, epoch milliseconds. */
  at: number;
}

/** For development: mails go to the terminal, and the last ones are kept for a page that shows them. */
export class PrintedMailer implements Mailer {
  readonly #clock: Clock;
  readonly #print: (text: string) => void;
  #mails: readonly PrintedMail[] = [];

  constructor(deps: { clock: Clock; print: (text: string) => void }) {
    this.#clock = deps.clock;
    this.#print = deps.print;
  }

  /** Newest first. */
  get mails(): readonly PrintedMail[] {
    return this.#mails;
  }

  async send(mail: Mail): Promise<void> {
    this.#mails = [{ ...mail, at: this.#clock.now() }, ...this.#mails].slice(0, KEPT);
    this.#print(`\nA mail to ${mail.to}: ${mail.subject}\n\n${mail.text.replace(/^(?=.)/gm, "  ")}\n`);
  }

  async close(): Promise<void> {}
}
