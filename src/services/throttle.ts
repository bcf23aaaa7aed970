import { createHmac, hkdfSync } from "node:crypto";
import ipaddr from "ipaddr.js";
import type { Clock } from "../clock.js";
import { type ErrorCode, LatchkeyError } from "../errors.js";
import type { Metrics } from "../metrics.js";
import {
  type AttemptKey,
  type AttemptLimit,
  countAttempt,
  findNextAttempt,
  forgetAttempts,
  isKnownSource,
  NEVER,
  rememberSource,
  resetAttempts,
  uncountAttempt,
} from "../storage/attempts.js";
import type { Database } from "../storage/database.js";
import type { Audit, Client } from "./audit.js";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** For so long a source stays known after a sign-in. */
const KNOWN_SOURCE_LIFETIME = 90 * DAY;
/** A user's count stays until it is reset; one of a name that nobody has must go some time. */
const UNKNOWN_NAME_WINDOW = 30 * DAY;
/** In seconds, where time does not help. */
const RETRY_AFTER_UNTIL_RESET = 3600;

/** The errors of an attempt that got as far as neither success nor failure. */
const NOT_TRIED: readonly ErrorCode[] = ["OVERLOADED", "BAD_USER_INPUT"];

interface Limits {
  /** Of an account from one source. */
  pair?: AttemptLimit;
  /** Of a source. */
  source: AttemptLimit;
  /** Of an account: as much again for the sources it has signed in from. */
  account?: AttemptLimit;
}

/** What counts until it succeeds. */
const GUESSES = {
  // NIST SP 800-63B-4, 3.2.2: no more than 100 failures in a row, here half of them from sources that are known.
  PASSWORD: {
    pair: { attempts: 5, window: DAY, backOff: true },
    source: { attempts: 100, window: 15 * MINUTE },
    account: { attempts: 50, window: NEVER },
  },
  // Refresh tokens, and tokens from mails. Nobody guesses 256 bits: this keeps the noise down.
  TOKEN: { source: { attempts: 300, window: 15 * MINUTE } },
} satisfies Record<string, Limits>;

/** What counts however it ends. */
const REQUESTS = {
  REGISTRATION: { source: { attempts: 50, window: HOUR } },
  // What anyone can have sent to an address.
  MAIL: {
    pair: { attempts: 10, window: HOUR },
    source: { attempts: 50, window: HOUR },
    account: { attempts: 20, window: HOUR },
  },
  PASSWORD_STRENGTH: { source: { attempts: 300, window: 15 * MINUTE } },
} satisfies Record<string, Limits>;

const LIMITS: Record<keyof typeof GUESSES | keyof typeof REQUESTS, Limits> = { ...GUESSES, ...REQUESTS };

type Kind = keyof typeof LIMITS;

/** Who tries: from where, and which account. */
export interface Attempter {
  userId: string | undefined;
  /** The user's id, or what stands for a name that nobody has; empty where no account is tried. */
  account: string;
  source: string;
  /** Whether the user has signed in from there before. */
  known: boolean;
  client: Client;
}

interface Counted {
  key: AttemptKey;
  /** Whether it was the last that is let through for now. */
  reached: boolean;
}

/** To be called when the attempt succeeds, with the transaction that makes it so: gives back what was counted. */
export type Succeeded = (transaction: Database) => Promise<void>;

/**
 * Limits attempts, in the database: all processes count together, and a restart forgets nothing.
 *
 * Guessing at one account is limited from each source by growing delays, from each source over all accounts, and
 * from all sources together. Nobody can lock the owner out that way: sources the account has signed in from have a
 * count of their own, and a new password resets all.
 */
export class Throttle {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #audit: Audit;
  readonly #secretKey: () => string;
  readonly #metrics: Metrics;
  #nameKey: Buffer | undefined;

  constructor(deps: {
    db: Database;
    clock: Clock;
    audit: Audit;
    secretKey: () => string;
    metrics: Metrics;
  }) {
    this.#db = deps.db;
    this.#clock = deps.clock;
    this.#audit = deps.audit;
    this.#secretKey = deps.secretKey;
    this.#metrics = deps.metrics;
  }

  /**
   * Who tries. For a name that nobody has the same is done, and later the same counted.
   * @param target.name what the account was called, normalized
   */
  async identify(client: Client, target?: { userId: string | undefined; name: string }): Promise<Attempter> {
    const source = sourceOf(client);
    if (target === undefined) return { userId: undefined, account: "", source, known: false, client };
    const account = target.userId ?? this.#standInFor(target.name);
    const known = await isKnownSource(this.#db, { userId: account, source, now: this.#clock.now() });
    return { userId: target.userId, account, source, known, client };
  }

  /**
   * Counts an attempt, then makes it. A right password also starts the account's count anew.
   * @param attempt given what to call when it succeeds
   * @throws RATE_LIMITED, and what the attempt throws
   */
  async guess<T>(
    kind: keyof typeof GUESSES,
    attempter: Attempter,
    attempt: (succeeded: Succeeded) => Promise<T>,
  ): Promise<T> {
    const counted = await this.#count(kind, attempter);
    try {
      return await attempt((transaction) => this.#succeeded(transaction, kind, attempter));
    } catch (error) {
      if (error instanceof LatchkeyError && NOT_TRIED.includes(error.code)) {
        for (const { key } of counted) await uncountAttempt(this.#db, key);
      } else if (error instanceof LatchkeyError) {
        await this.#recordReached(counted, attempter);
      }
      throw error;
    }
  }

  /** Counts a request. @throws RATE_LIMITED */
  async count(kind: keyof typeof REQUESTS, attempter: Attempter): Promise<void> {
    await this.#recordReached(await this.#count(kind, attempter), attempter);
  }

  async #count(kind: Kind, attempter: Attempter): Promise<Counted[]> {
    const limits = limitsOf(kind, attempter);
    const now = this.#clock.now();
    // Asked first, so that an attempt which one limit refuses is not counted by the others.
    const blocked = await findNextAttempt(
      this.#db,
      limits.map(({ key }) => key),
      now,
    );
    if (blocked !== undefined) throw this.#refused(kind, blocked - now);
    const counted: Counted[] = [];
    for (const { key, limit } of limits) {
      const count = await countAttempt(this.#db, key, limit, now);
      if (count === undefined) throw this.#refused(kind, limit.backOff ? SECOND : limit.window);
      counted.push({ key, reached: count === limit.attempts });
    }
    return counted;
  }

  #refused(kind: Kind, wait: number): LatchkeyError<"RATE_LIMITED"> {
    this.#metrics.attemptRefused(kind);
    return rateLimited(wait);
  }

  async #recordReached(counted: readonly Counted[], { userId, client }: Attempter): Promise<void> {
    for (const { key, reached } of counted) {
      const entry = { subjectId: userId, client, details: { limit: key.limit } };
      if (reached) await this.#audit.record(this.#db, "ATTEMPTS_LIMITED", entry);
    }
  }

  async #succeeded(transaction: Database, kind: Kind, attempter: Attempter): Promise<void> {
    for (const { key } of limitsOf(kind, attempter)) {
      if (key.account === "") await uncountAttempt(transaction, key);
      else await resetAttempts(transaction, key);
    }
    if (kind !== "PASSWORD" || attempter.userId === undefined) return;
    await resetAttempts(transaction, accountKey(kind, { ...attempter, known: !attempter.known }));
    const { userId, source } = attempter;
    await rememberSource(transaction, { userId, source, until: this.#clock.now() + KNOWN_SOURCE_LIFETIME });
  }

  /**
   * Starts all counts of a user anew who has shown by a token from a mail to be the account's owner. Where that was is
   * the one source known from then on: whoever goes on guessing meanwhile must not keep the owner from logging in.
   */
  async startAnew(transaction: Database, userId: string, client: Client): Promise<void> {
    await forgetAttempts(transaction, userId);
    const until = this.#clock.now() + KNOWN_SOURCE_LIFETIME;
    await rememberSource(transaction, { userId, source: sourceOf(client), until });
  }

  /** People type passwords into the wrong field: what nobody is called is not written down as it is. */
  #standInFor(name: string): string {
    this.#nameKey ??= Buffer.from(hkdfSync("sha256", this.#secretKey(), "", "latchkey attempts v1", 32));
    return createHmac("sha256", this.#nameKey).update(name).digest("base64url");
  }
}

/** From the narrowest to the widest: who is held back by the first is not counted by the next. */
function limitsOf(kind: Kind, attempter: Attempter): { key: AttemptKey; limit: AttemptLimit }[] {
  const { pair, source, account }: Limits = LIMITS[kind];
  const { known, userId, ...who } = attempter;
  const limits = [];
  if (pair) limits.push({ key: { ...who, limit: `${kind}_PAIR` }, limit: pair });
  // A user from a known source is not held back for what others do there.
  if (!known) limits.push({ key: { ...who, limit: `${kind}_SOURCE`, account: "" }, limit: source });
  if (account) {
    const window = userId === undefined ? Math.min(account.window, UNKNOWN_NAME_WINDOW) : account.window;
    limits.push({ key: accountKey(kind, attempter), limit: { ...account, window } });
  }
  return limits;
}

function accountKey(kind: Kind, { account, known }: Attempter): AttemptKey {
  return { limit: `${kind}_ACCOUNT${known ? "_KNOWN_SOURCE" : ""}`, account, source: "" };
}

/** One subscriber of IPv6 has a /64 to choose addresses from. */
function sourceOf({ ipAddress }: Client): string {
  if (ipAddress === null || !ipaddr.isValid(ipAddress)) return "unknown";
  const address = ipaddr.process(ipAddress);
  if (!(address instanceof ipaddr.IPv6)) return address.toString();
  return `${new ipaddr.IPv6([...address.parts.slice(0, 4), 0, 0, 0, 0])}/64`;
}

function rateLimited(wait: number): LatchkeyError<"RATE_LIMITED"> {
  if (wait > DAY) {
    return new LatchkeyError(
      "RATE_LIMITED",
      "Too many failed attempts. Set a new password with `requestPasswordReset`, or log in from where you have before.",
      { retryAfter: RETRY_AFTER_UNTIL_RESET },
    );
  }
  const retryAfter = Math.ceil(wait / SECOND);
  return new LatchkeyError("RATE_LIMITED", `Too many attempts. Try again in ${retryAfter} seconds.`, {
    retryAfter,
  });
}
