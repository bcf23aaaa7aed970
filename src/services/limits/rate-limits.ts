import { setTimeout } from "node:timers/promises";
import { type Clock, DAY, SECOND } from "../../clock.js";
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
import { rateLimited } from "./rate-limited.js";

/** How long a network stays known after a sign-in. */
const KNOWN_NETWORK_LIFETIME = 90 * DAY;

/** Who makes an attempt, at which account. */
export interface Attempter extends AttemptTarget {
  caller: Caller;
}

/** What can be guessed. */
const GUESSES = ["PASSWORD", "CODE"] as const;
type GuessKind = (typeof GUESSES)[number];

/** An attempt to sign in. It counts as a failure from the start, until it ends in one of these ways. */
export interface Attempt {
  /** Resets the account's counts and remembers the network, in the transaction of the sign-in. */
  succeed(transaction: Database): Promise<void>;
  /** Throws the error that the attempt ended in. Unless it rejects what was guessed, the count is given back. */
  fail(error: unknown): Promise<never>;
  /** Takes the count back. */
  giveBack(): Promise<void>;
}

/** Errors that leave an attempt counted. Any other is a fault of ours, or comes after a correct password. */
const COUNTED_CODES: readonly ErrorCode[] = ["INVALID_CREDENTIALS", "ACCOUNT_DISABLED", "EMAIL_NOT_VERIFIED"];

interface Counted {
  key: AttemptKey;
  /** Whether the limit rejects the next one. */
  reached: boolean;
}

export interface RateLimitsDeps {
  db: Database;
  clock: Clock;
  audit: Audit;
  metrics: Metrics;
  /** Hashes the names that no account has: people type passwords into the wrong field. */
  names: KeyedHash;
}

/**
 * Limits attempts. Counts are kept in the database: all processes share them, and they survive a restart.
 *
 * Passwords and codes are limited per account and network, by growing delays; per network, over all accounts; and per
 * account, over all networks. This cannot lock the owner out for good: networks the account has signed in from have
 * counts of their own, emails are delayed by minutes at most, a new password resets the counts of passwords, and
 * passkeys and recovery codes work whatever the counts of codes.
 */
export class RateLimits {
  constructor(private readonly deps: RateLimitsDeps) {}

  /**
   * Identifies who attempts to sign in to an account. A name that no account has is treated, and counted, the same way.
   * @param target.name the name that was entered, normalized
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
   * Counts an attempt. Call it before the check, so that concurrent attempts cannot exceed the limits.
   * @throws RATE_LIMITED
   */
  async begin(attempter: Attempter, kind: GuessKind): Promise<Attempt> {
    const counted = await this.#countAll(this.deps.db, kind, attempter);
    // A correct password must not allow more guesses at the second factor.
    return this.#attempt(attempter, counted, kind === "PASSWORD" ? ["PASSWORD"] : GUESSES);
  }

  /** An attempt with what cannot be guessed, such as a passkey: it always works, and never counts. */
  uncounted(attempter: Attempter): Attempt {
    return this.#attempt(attempter, [], GUESSES);
  }

  /** @param resets the kinds whose counts it resets when it succeeds */
  #attempt(attempter: Attempter, counted: readonly Counted[], resets: readonly GuessKind[]): Attempt {
    return {
      succeed: async (transaction) => {
        for (const kind of resets) await this.#reset(transaction, kind, attempter, counted);
        const { userId, network } = attempter;
        if (userId !== undefined) await this.#remember(transaction, userId, network);
      },
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
   * Runs what consumes a token, and counts an invalid one. A valid token always works, whatever others in the network
   * send: 256 bits cannot be guessed.
   * @throws RATE_LIMITED instead of INVALID_TOKEN, and what the attempt throws
   */
  async guessToken<T>(caller: Caller, attempt: () => Promise<T>): Promise<T> {
    try {
      return await attempt();
    } catch (error) {
      if (hasCode(error, "INVALID_TOKEN")) await this.count("TOKEN", caller);
      throw error;
    }
  }

  /** Counts a request of the caller's network, whatever comes of it. @throws RATE_LIMITED */
  async count(kind: Exclude<AttemptKind, GuessKind | "PROFILE" | "MFA">, caller: Caller): Promise<void> {
    await this.#count(this.deps.db, kind, { userId: undefined, account: "", caller });
  }

  /** Counts a user's change, as part of its transaction: only committed changes count. @throws RATE_LIMITED */
  async countChange(
    transaction: Database,
    kind: "PROFILE" | "MFA",
    userId: string,
    caller: Caller,
  ): Promise<void> {
    await this.#count(transaction, kind, { userId, account: userId, caller });
  }

  /**
   * Resets a user's counts of passwords and forgets their known networks, as part of a transaction. Those of codes stay:
   * a new password must not allow more guesses at the second factor.
   * @param knownFrom the caller whose network becomes the only known one, so that continued guessing from elsewhere
   * cannot lock them out; none without it
   */
  async reset(transaction: Database, userId: string, knownFrom?: Caller): Promise<void> {
    await resetAllAttempts(transaction, userId, "PASSWORD");
    await forgetNetworks(transaction, userId);
    if (knownFrom !== undefined) await this.#remember(transaction, userId, networkOf(knownFrom));
  }

  /** Resets a user's counts of codes, as part of a transaction that removes their second factors. */
  async resetCodes(transaction: Database, userId: string): Promise<void> {
    await resetAllAttempts(transaction, userId, "CODE");
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
    // Checked first, so that an attempt which one limit rejects does not count towards the others.
    const keys = limits.map(({ key }) => key);
    const next = await findNextAttempt(db, keys, now);
    if (next !== undefined) throw this.#rejected(kind, next - now);
    const counted: Counted[] = [];
    for (const { key, limit } of limits) {
      const count = await countAttempt(db, key, limit, now);
      // A concurrent attempt was the last one allowed. The next rejection says how long to wait.
      if (count === undefined) throw this.#rejected(kind, SECOND);
      counted.push({ key, reached: count === limit.attempts });
    }
    return counted;
  }

  #rejected(kind: AttemptKind, wait: number): LatchkeyError<"RATE_LIMITED"> {
    this.deps.metrics.attemptRefused(kind);
    return rateLimited(kind, wait);
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

  /** Resets the account's counts of a kind. Of the network's count, it takes back the attempt that succeeded. */
  async #reset(
    transaction: Database,
    kind: GuessKind,
    attempter: Attempter,
    counted: readonly Counted[],
  ): Promise<void> {
    const { account, known } = attempter;
    const keys = [
      ...limitsOf(kind, attempter).map(({ key }) => key),
      accountKey(kind, { account, known: !known }),
    ];
    for (const key of keys) {
      if (key.account !== "") await resetAttempts(transaction, key);
      else if (counted.some((each) => each.key.name === key.name)) await uncountAttempt(transaction, key);
    }
  }

  async #giveBack(counted: readonly Counted[]): Promise<void> {
    // A database that does not respond delays the answer no further.
    await Promise.race([this.#uncount(counted), setTimeout(SECOND, undefined, { ref: false })]);
  }

  async #uncount(counted: readonly Counted[]): Promise<void> {
    try {
      for (const { key } of counted) await uncountAttempt(this.deps.db, key);
    } catch {
      // The database is unavailable, as the error of the request says. It costs the owner one attempt.
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
