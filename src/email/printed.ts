import type { Clock } from "../clock.js";
import type { Email, Mailer } from "./mailer.js";

const MAX_KEPT = 50;

export interface PrintedEmail extends Email {
  /** When it was printed, epoch milliseconds. */
  at: number;
}

export interface PrintedMailerDeps {
  clock: Clock;
  print: (text: string) => void;
}

/** For development: prints emails to the terminal, and keeps the latest for the page at `/emails`. */
export class PrintedMailer implements Mailer {
  #emails: readonly PrintedEmail[] = [];

  constructor(private readonly deps: PrintedMailerDeps) {}

  /** Newest first. */
  get emails(): readonly PrintedEmail[] {
    return this.#emails;
  }

  async send(message: Email): Promise<void> {
    this.#emails = [{ ...message, at: this.deps.clock.now() }, ...this.#emails].slice(0, MAX_KEPT);
    this.deps.print(
      `\nAn email to ${message.to}: ${message.subject}\n\n${message.text.replace(/^(?=.)/gm, "  ")}\n`,
    );
  }

  async close(): Promise<void> {}
}
