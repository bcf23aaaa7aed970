import { SECOND } from "../clock.js";
import { MAX_BCRYPT_COST } from "../config.js";
import type { Metrics } from "../metrics.js";
import type { PasswordThreads } from "./password-threads.js";
import type { Timed } from "./password-worker.js";

/** How long bcrypt takes at cost 12, in milliseconds, until it has been measured. Each step of the cost doubles it. */
const COST_12_DURATION = 250;
/** The weight of the latest duration in the moving average. */
const LATEST_WEIGHT = 0.1;

/** bcrypt reads only this much of a password. */
export const MAX_PASSWORD_BYTES = 72;

/** Modular crypt format of bcrypt: variant, cost, 22 characters of salt and 31 of hash. */
const BCRYPT_HASH = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;

/** A well-formed hash of an unknown password, to do the work on when there is no hash. */
const DUMMY_SALT_AND_HASH = "2b0/CkJBjlLZxLnPTKTyXOSWq3T3gYwOJ1Z8mBBeVXV0nhTZn6uTm";

export interface PasswordEstimate {
  /** From 0, guessed immediately, to 4, very hard to guess. */
  score: number;
  /** What is wrong with the password, or null. Neither this nor a suggestion quotes it. */
  warning: string | null;
  suggestions: string[];
}

export interface PasswordsDeps {
  /** The cost of new hashes, and of the work for every wrong password. */
  cost: number;
  metrics: Metrics;
  threads: PasswordThreads;
}

/**
 * Hashes and verifies passwords with bcrypt, in worker threads, so that reading a token never waits behind a password.
 * Requests need a slot in the password queue. Passwords are used exactly as received.
 */
export class Passwords {
  readonly #dummyHash: string;
  #duration: number;

  constructor(private readonly deps: PasswordsDeps) {
    const { cost } = deps;
    this.#dummyHash = `$2b$${String(cost).padStart(2, "0")}$${DUMMY_SALT_AND_HASH}`;
    this.#duration = COST_12_DURATION * 2 ** (cost - 12);
  }

  /** How many passwords are hashed or verified at the same time. */
  get threads(): number {
    return this.deps.threads.count;
  }

  /** How long hashing or verifying a password has taken lately, in milliseconds; an estimate before the first. */
  get duration(): number {
    return this.#duration;
  }

  /** @returns a `$2b$` hash with a new salt @throws RangeError unless the password satisfies `isHashable` */
  async hash(password: string): Promise<string> {
    if (!isHashable(password)) throw new RangeError("bcrypt would not hash the whole password");
    return this.#runBcrypt("hash", { password, cost: this.deps.cost });
  }

  /**
   * Whether the hash is of this password. Returns false, after the same work, without a hash, for one that is not bcrypt
   * or too costly to run, and for a password that bcrypt would not read whole.
   */
  async verify(password: string, storedHash: string | undefined): Promise<boolean> {
    const usable = storedHash !== undefined && isHashable(password) && isRunnableHash(storedHash);
    const hash = usable ? storedHash.replace("$2y$", "$2b$") : this.#dummyHash;
    const right = await this.#runBcrypt("verify", { password, hash, cost: this.deps.cost });
    return right && usable;
  }

  /** Whether the hash has another cost than the configured one, so that verifying it takes another time. */
  needsRehash(storedHash: string): boolean {
    return costOf(storedHash) !== this.deps.cost;
  }

  /**
   * How hard the password is to guess, by zxcvbn.
   * @param context words that an attacker would try first: the user's names, the service's
   */
  async estimate(password: string, context: string[]): Promise<PasswordEstimate> {
    return this.deps.threads.run("estimate", { password, context }) as Promise<PasswordEstimate>;
  }

  async #runBcrypt(name: "hash", task: { password: string; cost: number }): Promise<string>;
  async #runBcrypt(name: "verify", task: { password: string; hash: string; cost: number }): Promise<boolean>;
  async #runBcrypt(name: "hash" | "verify", task: object): Promise<unknown> {
    const { duration, result } = (await this.deps.threads.run(name, task)) as Timed<unknown>;
    this.#duration += (duration - this.#duration) * LATEST_WEIGHT;
    this.deps.metrics.passwordWorked(duration / SECOND);
    return result;
  }
}

/** Whether bcrypt reads the whole password: no NUL, no lone surrogate, at most 72 bytes of UTF-8. */
export function isHashable(password: string): boolean {
  return (
    password.isWellFormed() && !password.includes("\0") && Buffer.byteLength(password) <= MAX_PASSWORD_BYTES
  );
}

/** Whether this is a bcrypt hash (`$2a$`, `$2b$` or `$2y$`) of an allowed cost. */
export function isRunnableHash(hash: string): boolean {
  const cost = costOf(hash);
  return cost >= 4 && cost <= MAX_BCRYPT_COST;
}

/** The cost of a bcrypt hash; NaN for anything else. */
export function costOf(hash: string): number {
  return Number(BCRYPT_HASH.exec(hash)?.[1]);
}
