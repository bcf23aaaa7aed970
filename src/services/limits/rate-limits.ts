import { type Clock, DAY, HOUR, SECOND } from "../../clock.js";
import type { KeyedHash } from "../../crypto/keyed-hash.js";
import { type ErrorCode, hasCode, LatchkeyError } from "../../errors.js";
import type { Metrics } from "../../metrics.js";
import {
  type AttemptKey,
  countAttempt,
  findNextAttempt,
  resetAllAttempts,
  resetAttempts,
  uncountAttempt,
} from "../../storage/attempts.js";
import type { Database } from "../../storage/database.js";
import { forgetNetworks, isKnownNetwork, rememberNetwork } from "../../storage/known-networks.js";
import type { Audit, Caller } from "../audit.js";
import { type AttemptKind, type AttemptTarget, accountKey, limitsOf } from "./attempt-limits.js";
import { networkOf } from "./network.js";

/** For so long a network stays known after a sign-in. */
const KNOWN_NETWORK_LIFETIME = 90 * DAY;
/** In seconds, where time does not help. */
const RETRY_AFTER_UNTIL_RESET = HOUR / SECOND;

/** Who tries, and what. */
export interface Attempter extends AttemptTarget {
  caller: Caller;
}

/** A password attempt. It counts as a failure from its beginning until it ends in one of these ways. */
export interface Attempt {
  /** Resets the account's counts and remembers the network, in the transaction that acts on the correct password. */
  succeed(transaction: Database): Promise<void>;
  /** Ends the attempt with an error, and throws it. Unless the error says no to the password, nothing is counted. */
  fail(error: unknown): Promise<never>;
  /** Counts nothing. */
  giveBack(): Promise<void>;
}

/** The errors after which an attempt stays counted. Any other says nothing about the password, or is our fault. */
const COUNTED_CODES: readonly ErrorCode[] = ["INVALID_CREDENTIALS", "ACCOUNT_DISABLED", "EMAIL_NOT_VERIFIED"];

interface Counted {
  key: AttemptKey;
  /** Whether it was the last that is let through for now. */
  reached: boolean;
}

export interface RateLimitsDeps {
  db: Database;
  clock: Clock;
  audit: Audit;
  metrics: Metrics;
  /** Stands in for names that no account has: people type passwords into the wrong field. */
  names: KeyedHash;
}

/**
 * Limits attempts, in the database: all processes count together, and a restart forgets nothing.
 *
 * Guessing at one account is limited from each network by growing delays, from each network over all accounts, and
 * from all networks together. Nobody can lock the owner out for good that way: networks the account has signed in from
 * have counts of their own, emails are held up for minutes at most, and a new password resets all.
 */
export class RateLimits {
  constructor(private readonly deps: RateLimitsDeps) {}

  /**
   * Who tries an account. For a name that nobody has the same is done, and later the same counted.
   * @param target.name what the account was called, normalized
   */
  async identify(caller: Caller, target: { userId: string | undefined; name: string }): Promise<Attempter> {
    const account = target.userId ?? this.deps.names.of(target.name);
    const network = networkOf(caller);
    const known = await isKnownNetwork(this.deps.db, {
      userId: account,
      network,
      now: this.deps.clock.now(),
    });
    return { userId: target.userId, account, network, known, caller };
  }

  /**
   * Counts a password attempt before the password is checked, so that of any number at once no more get through than
   * the limits allow.
   * @throws RATE_LIMITED
   */
  async begin(attempter: Attempter): Promise<Attempt> {
    const counted = await this.#countAll(this.deps.db, "PASSWORD", attempter);
    return {
      succeed: (transaction) => this.#succeed(transaction, attempter),
      fail: async (error) => {
        const isCounted = error instanceof LatchkeyError && COUNTED_CODES.includes(error.code);
        if (isCounted) await this.#recordReached(this.deps.db, counted, attempter);
        else await this.#giveBack(counted);
        throw error;
      },
      giveBack: () => this.#giveBack(counted),
    };
  }

  /**
   * Has a token looked up, and counts it when it is no good. A good one is never held back for what others send from
   * the same network: nobody guesses 256 bits.
   * @throws RATE_LIMITED in the place of INVALID_TOKEN, and what the attempt throws
   */
  async guessToken<T>(caller: Caller, attempt: () => Promise<T>): Promise<T> {
    try {
      return await attempt();
    } catch (error) {
      if (hasCode(error, "INVALID_TOKEN")) await this.count("TOKEN", caller);
      throw error;
    }
  }

  /** Counts a request for the caller's network, however it ends. @throws RATE_LIMITED */
  async count(kind: Exclude<AttemptKind, "PASSWORD" | "PROFILE">, caller: Caller): Promise<void> {
    await this.#count(this.deps.db, kind, { userId: undefined, account: "", caller });
  }

  /** Counts a change that a user makes, with the transaction that makes it. @throws RATE_LIMITED */
  async countChange(transaction: Database, kind: "PROFILE", userId: string, caller: Caller): Promise<void> {
    await this.#count(transaction, kind, { userId, account: userId, caller });
  }

  /**
   * After a new password: whoever guessed has to start again, and so has whoever knew the old one. Where the owner set
   * it is the one network known from then on: who goes on guessing must not keep the owner from logging in.
   * @param caller undefined when an operator set it
   */
  async startAnew(transaction: Database, userId: string, caller?: Caller): Promise<void> {
    await resetAllAttempts(transaction, userId);
    await forgetNetworks(transaction, userId);
    if (caller !== undefined) await this.#remember(transaction, userId, networkOf(caller));
  }

  async #count(
    db: Database,
    kind: AttemptKind,
    { userId, account, caller }: Pick<Attempter, "userId" | "account" | "caller">,
  ): Promise<void> {
    const attempter = { userId, account, network: networkOf(caller), known: false, caller };
    await this.#recordReached(db, await this.#countAll(db, kind, attempter), attempter);
  }

  async #countAll(db: Database, kind: AttemptKind, attempter: Attempter): Promise<Counted[]> {
    const limits = limitsOf(kind, attempter);
    const now = this.deps.clock.now();
    // Asked first, so that an attempt which one limit refuses is not counted by the others.
    const keys = limits.map(({ key }) => key);
    const next = await findNextAttempt(db, keys, now);
    if (next !== undefined) throw this.#refused(kind, next - now);
    const counted: Counted[] = [];
    for (const { key, limit } of limits) {
      const count = await countAttempt(db, key, limit, now);
      // Others were faster; how long it takes is told to the next try.
      if (count === undefined) throw this.#refused(kind, SECOND);
      counted.push({ key, reached: count === limit.attempts });
    }
    return counted;
  }

  #refused(kind: AttemptKind, wait: number): LatchkeyError<"RATE_LIMITED"> {
    this.deps.metrics.attemptRefused(kind);
    return rateLimited(wait);
  }

  async #recordReached(
    db: Database,
    counted: readonly Counted[],
    { userId, caller }: Attempter,
  ): Promise<void> {
    for (const { key, reached } of counted) {
      if (!reached) continue;
      const entry = { subjectId: userId, caller, details: { limit: key.name } };
      await this.deps.audit.record(db, "ATTEMPTS_LIMITED", entry);
    }
  }

  async #succeed(transaction: Database, attempter: Attempter): Promise<void> {
    for (const { key } of limitsOf("PASSWORD", attempter)) {
      if (key.account === "") await uncountAttempt(transaction, key);
      else await resetAttempts(transaction, key);
    }
    const { userId, network, account, known } = attempter;
    if (userId === undefined) return;
    await resetAttempts(transaction, accountKey("PASSWORD", { account, known: !known }));
    await this.#remember(transaction, userId, network);
  }

  async #giveBack(counted: readonly Counted[]): Promise<void> {
    try {
      for (const { key } of counted) await uncountAttempt(this.deps.db, key);
    } catch {
      // The database is away, and what the request fails with says so: it costs the owner one attempt.
    }
  }

  async #remember(transaction: Database, userId: string, network: string): Promise<void> {
    await rememberNetwork(transaction, {
      userId,
      network,
      until: this.deps.clock.now() + KNOWN_NETWORK_LIFETIME,
    });
  }
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
  const message = `Too many attempts. Try again in ${retryAfter} second${retryAfter === 1 ? "" : "s"}.`;
  return new LatchkeyError("RATE_LIMITED", message, { retryAfter });
}
