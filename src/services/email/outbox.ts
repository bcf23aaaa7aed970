import { type Clock, DAY, HOUR, MINUTE, type NewId, SECOND } from "../../clock.js";
import { type Email, type Mailer, PermanentEmailError } from "../../email/mailer.js";
import type { Database } from "../../storage/database.js";
import {
  deleteOutboxEmail,
  findNextOutboxAttempt,
  insertOutboxEmail,
  listDueOutboxEmails,
  type OutboxEmail,
  rescheduleOutboxEmail,
  takeOutboxEmail,
} from "../../storage/outbox.js";
import type { Job } from "../jobs.js";
import type { EmailLimits } from "../limits/email-limits.js";

/** Emails sent at once: a server that takes its time with one leaves room for the others. */
const CONCURRENCY = 5;
/** For so long an email belongs to who took it. Longer than any attempt, and what a process that dies costs it. */
const HOLD = MINUTE;
const FIRST_BACK_OFF = 30 * SECOND;
const LONGEST_BACK_OFF = HOUR;
const GIVEN_UP_AFTER = 3 * DAY;
/** How long stopping waits for what is being sent. */
const CLOSING_TIME = 3 * SECOND;
/** By then the answer to the request is out, so that it never waits for what only some addresses need. */
const WAKE_DELAY = 100;
const WAKE_JITTER = 200;

/** What an email with a token is for. Whom it is for, and what it brings, is decided when it is sent. */
export type RequestKind =
  | "REGISTRATION"
  | "EMAIL_VERIFICATION"
  | "PASSWORD_RESET"
  | "INVITATION"
  | "EMAIL_CHANGE";

/** What happened to an account, told as it was then: the account may be another when the email is sent, or gone. */
export type Notice =
  | { kind: "EMAIL_CHANGED"; facts: { username: string; newEmail: string } }
  | { kind: "USERNAME_CHANGED" | "PASSWORD_CHANGED" | "ACCOUNT_DELETED"; facts: { username: string } };

/** An email as the transaction that causes it leaves it: neither a word nor a token of it is there yet. */
export type EmailIntent = { email: string } & ({ kind: RequestKind; userId?: string | undefined } | Notice);

/** Makes the email, at each attempt, outside a transaction; undefined when there is nothing to send. */
export type ComposeEmail = (message: OutboxEmail) => Promise<Email | undefined>;

/** That an email was not sent, without a word of it or whom it was for. */
export interface EmailFailure {
  id: string;
  kind: string;
  /** REFUSED by the mail server and GIVEN_UP after days are dropped; a DELAYED one is tried again. */
  outcome: "REFUSED" | "GIVEN_UP" | "DELAYED";
  error: unknown;
}

export interface OutboxDeps {
  db: Database;
  clock: Clock;
  newId: NewId;
  mailer: Mailer;
  compose: ComposeEmail;
  limits: EmailLimits;
  onFailure: (failure: EmailFailure) => void;
  /** Told when the database failed: what is in it is tried again later. */
  onError: (error: unknown) => void;
}

/**
 * The emails to be sent. They are written down with the transaction that causes them and sent afterwards:
 * each by one process at a time, again and again until the mail server has it.
 */
export class Outbox {
  readonly #sending = new Set<Promise<void>>();
  #pass: Promise<void> = Promise.resolve();
  #nextPass: Promise<void> | undefined;
  #timer: { at: number; handle: NodeJS.Timeout } | undefined;
  #closed = false;

  constructor(private readonly deps: OutboxDeps) {}

  /** Writes down an email to be sent. Call `wake` once the transaction is committed. */
  async enqueue(transaction: Database, intent: EmailIntent): Promise<void> {
    const now = this.deps.clock.now();
    await insertOutboxEmail(transaction, {
      id: this.deps.newId(),
      kind: intent.kind,
      email: intent.email,
      userId: ("userId" in intent && intent.userId) || null,
      facts: "facts" in intent ? intent.facts : {},
      createdAt: now,
      nextAttemptAt: now,
      attempts: 0,
    });
  }

  /** Sends what is due, in a moment; the caller neither waits nor hears of it. */
  wake(): void {
    this.#wakeIn(WAKE_DELAY + Math.random() * WAKE_JITTER);
  }

  /** Tries to send every email that is due; resolves when each has been tried. */
  async deliverDue(): Promise<void> {
    // What is under way may have looked before the caller's email was there.
    this.#nextPass ??= this.#pass.then(() => {
      this.#nextPass = undefined;
      const pass = this.#takeDue();
      this.#pass = pass.catch(() => {});
      return pass;
    });
    await this.#nextPass;
    await Promise.all(this.#sending);
  }

  /** Looks after what a process left behind that ended, and what the database was not there for. */
  job(): Job {
    // Without waiting: a mail server that hangs must not keep the other jobs.
    return { name: "outbox", interval: 0, run: async () => this.wake() };
  }

  /** Takes up no more emails, and closes the mailer. What was being sent and has not ended is sent later. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer?.handle);
    const impatience = setTimeout(() => this.deps.mailer.close().catch(this.deps.onError), CLOSING_TIME);
    await this.#pass;
    await Promise.all(this.#sending);
    clearTimeout(impatience);
    await this.deps.mailer.close();
  }

  async #takeDue(): Promise<void> {
    const { db, clock } = this.deps;
    while (!this.#closed) {
      while (this.#sending.size >= CONCURRENCY) await Promise.race(this.#sending);
      const due = await listDueOutboxEmails(db, clock.now(), CONCURRENCY - this.#sending.size);
      if (due.length === 0) break;
      for (const message of due) {
        if (this.#closed || !(await takeOutboxEmail(db, message, clock.now() + HOLD))) continue;
        const sent: Promise<void> = this.#attempt(message).finally(() => this.#sending.delete(sent));
        this.#sending.add(sent);
      }
    }
    const next = await findNextOutboxAttempt(db);
    if (next !== undefined) this.#wakeIn(next - clock.now());
  }

  async #attempt(message: OutboxEmail): Promise<void> {
    const { db, clock, mailer, compose, limits, onError } = this.deps;
    try {
      const postponedUntil = await limits.admit(message);
      if (postponedUntil !== undefined) return this.#wakeIn(postponedUntil - clock.now());
      let composed: Email | undefined;
      try {
        composed = await compose(message);
        if (composed !== undefined) await mailer.send(composed);
      } catch (error) {
        await limits.giveBack(message);
        return await this.#failed(message, error);
      }
      if (composed === undefined) await limits.giveBack(message);
      await deleteOutboxEmail(db, message.id);
    } catch (error) {
      onError(error);
    }
  }

  async #failed(message: OutboxEmail, error: unknown): Promise<void> {
    const { db, clock, onFailure } = this.deps;
    const now = clock.now();
    const dropped =
      error instanceof PermanentEmailError
        ? "REFUSED"
        : now - message.createdAt >= GIVEN_UP_AFTER
          ? "GIVEN_UP"
          : undefined;
    const backOff = Math.min(FIRST_BACK_OFF * 2 ** message.attempts, LONGEST_BACK_OFF);
    if (dropped === undefined) {
      await rescheduleOutboxEmail(db, message.id, now + backOff);
      this.#wakeIn(backOff);
    } else {
      await deleteOutboxEmail(db, message.id);
    }
    onFailure({ id: message.id, kind: message.kind, outcome: dropped ?? "DELAYED", error });
  }

  #wakeIn(delay: number): void {
    const at = performance.now() + Math.max(delay, WAKE_DELAY);
    if (this.#closed || (this.#timer !== undefined && this.#timer.at <= at)) return;
    clearTimeout(this.#timer?.handle);
    const handle = setTimeout(() => {
      this.#timer = undefined;
      this.deliverDue().catch(this.deps.onError);
    }, at - performance.now());
    this.#timer = { at, handle: handle.unref() };
  }
}
