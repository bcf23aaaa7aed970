import { type Clock, DAY, HOUR, MINUTE, type NewId, SECOND } from "../../clock.js";
import { type Email, type Mailer, PermanentEmailError } from "../../email/mailer.js";
import type { MfaChange } from "../../email/templates.js";
import type { Database } from "../../storage/database.js";
import {
  claimOutboxEmail,
  deleteOutboxEmail,
  findNextOutboxAttempt,
  insertOutboxEmail,
  listDueOutboxEmails,
  type OutboxEmail,
  rescheduleOutboxEmail,
} from "../../storage/outbox.js";
import type { Job } from "../jobs.js";
import type { EmailLimits } from "../limits/email-limits.js";

/** Emails sent concurrently, so that one slow delivery does not delay the others. */
const CONCURRENCY = 5;
/** Lease on a claimed email: longer than any attempt, so a crashed process only delays it. */
const LEASE = MINUTE;
const FIRST_BACK_OFF = 30 * SECOND;
const LONGEST_BACK_OFF = HOUR;
const GIVEN_UP_AFTER = 3 * DAY;
/** How long closing waits for emails that are being sent. */
const CLOSING_TIME = 3 * SECOND;
/** By then the response has been sent: its timing must not reveal which addresses get an email. */
const WAKE_DELAY = 100;
const WAKE_JITTER = 200;

/** Emails that bring a link. Their recipients and tokens are decided when they are sent. */
export type RequestKind =
  | "REGISTRATION"
  | "EMAIL_VERIFICATION"
  | "PASSWORD_RESET"
  | "INVITATION"
  | "EMAIL_CHANGE";

/** Emails about a change of an account. The facts are stored: the account may have changed again, or be deleted, when the email is sent. */
export type Notice =
  | { kind: "EMAIL_CHANGED"; facts: { username: string; newEmail: string } }
  | { kind: "MFA_CHANGED"; facts: { username: string; change: MfaChange; left?: number } }
  | { kind: "USERNAME_CHANGED" | "PASSWORD_CHANGED" | "ACCOUNT_DELETED"; facts: { username: string } };

/** An email to be sent, as the transaction that causes it stores it: without its text and its tokens. */
export type EmailIntent = { email: string } & ({ kind: RequestKind; userId?: string | undefined } | Notice);

/** Composes the email, for each attempt, outside a transaction. Returns undefined when there is nothing to send. */
export type ComposeEmail = (message: OutboxEmail) => Promise<Email | undefined>;

/** An email that was not sent, without its content and recipient. */
export interface EmailFailure {
  id: string;
  kind: string;
  /** REFUSED by the mail server, or GIVEN_UP after three days: dropped. DELAYED: sent again later. */
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
  /** Called when the database fails. The emails in it are sent later. */
  onError: (error: unknown) => void;
}

/**
 * The emails to be sent. The transaction that causes an email stores it. It is sent afterwards, by one process at a time,
 * and again after a failure until the mail server accepts it.
 */
export class Outbox {
  readonly #sending = new Set<Promise<void>>();
  #pass: Promise<void> = Promise.resolve();
  #nextPass: Promise<void> | undefined;
  #timer: { at: number; handle: NodeJS.Timeout } | undefined;
  #closed = false;

  constructor(private readonly deps: OutboxDeps) {}

  /** Stores an email to be sent. Call `wake` once the transaction is committed. */
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

  /** Sends the emails that are due, shortly, in the background. */
  wake(): void {
    this.#wakeIn(WAKE_DELAY + Math.random() * WAKE_JITTER);
  }

  /** Attempts to send every email that is due; resolves after the attempts. */
  async deliverDue(): Promise<void> {
    // A pass that has begun may have read the outbox before the caller's email was in it.
    this.#nextPass ??= this.#pass.then(() => {
      this.#nextPass = undefined;
      const pass = this.#claimDue();
      this.#pass = pass.catch(() => {});
      return pass;
    });
    await this.#nextPass;
    await Promise.all(this.#sending);
  }

  /** Sends what a process left behind when it ended, or when the database was unavailable. */
  job(): Job {
    // Does not wait: a mail server that hangs must not delay other jobs.
    return { name: "outbox", interval: 0, run: async () => this.wake() };
  }

  /** Starts no more attempts, waits a few seconds for those that run, and closes the mailer. The rest is sent later. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer?.handle);
    const timeout = setTimeout(() => this.deps.mailer.close().catch(this.deps.onError), CLOSING_TIME);
    await this.#pass;
    await Promise.all(this.#sending);
    clearTimeout(timeout);
    await this.deps.mailer.close();
  }

  async #claimDue(): Promise<void> {
    const { db, clock } = this.deps;
    while (!this.#closed) {
      while (this.#sending.size >= CONCURRENCY) await Promise.race(this.#sending);
      const due = await listDueOutboxEmails(db, clock.now(), CONCURRENCY - this.#sending.size);
      if (due.length === 0) break;
      for (const message of due) {
        if (this.#closed || !(await claimOutboxEmail(db, message, clock.now() + LEASE))) continue;
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
        await limits.uncount(message);
        return await this.#failed(message, error);
      }
      if (composed === undefined) await limits.uncount(message);
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
