import { availableParallelism } from "node:os";
import { extname } from "node:path";
import { Piscina } from "piscina";
import { MAX_BCRYPT_COST } from "../config.js";
import { LatchkeyError } from "../errors.js";
import type { Metrics } from "../metrics.js";
import type { Timed } from "./password-worker.js";

const THREADS = Math.max(1, availableParallelism() - 1);
/** Requests with password work at once: a few seconds' work, more than which nobody waits for anyway. */
const PLACES = THREADS * 16;
const RETRY_AFTER_SECONDS = 2;

/** bcrypt reads no more than this of a password. */
export const MAX_PASSWORD_BYTES = 72;

/** Modular crypt format of bcrypt: variant, cost, 22 characters of salt and 31 of hash. */
const BCRYPT_HASH = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;

/** A well-formed hash of nothing anyone knows, to work on when there is none. */
const DUMMY_SALT_AND_HASH = "2b0/CkJBjlLZxLnPTKTyXOSWq3T3gYwOJ1Z8mBBeVXV0nhTZn6uTm";

export interface PasswordEstimate {
  /** From 0, guessed at once, to 4, very hard to guess. */
  score: number;
  /** What is wrong with it, or null. Neither this nor a suggestion quotes it. */
  warning: string | null;
  suggestions: string[];
}

/**
 * Hashes and checks passwords with bcrypt, in worker threads behind one bounded queue, so that reading a
 * token never waits behind a password.
 *
 * Passwords are taken exactly as received. Every method rejects with OVERLOADED when the queue is full.
 */
export class Passwords {
  readonly #cost: number;
  readonly #metrics: Metrics;
  /** Made at the first use: most of the operator's commands need no threads. */
  #pool: Piscina | undefined;
  readonly #dummyHash: string;
  readonly #usersWithPlace = new Set<string>();
  #taken = 0;

  constructor({ cost, metrics }: { cost: number; metrics: Metrics }) {
    this.#cost = cost;
    this.#metrics = metrics;
    this.#dummyHash = `$2b$${String(cost).padStart(2, "0")}$${DUMMY_SALT_AND_HASH}`;
    metrics.watchPasswordQueue(() => this.#pool?.queueSize ?? 0);
  }

  /** @returns a `$2b$` hash with a salt of its own; the password must satisfy `isHashable` */
  async hash(password: string): Promise<string> {
    if (!isHashable(password)) throw new RangeError("bcrypt would not hash all of this password");
    return this.#run("hash", { password, cost: this.#cost });
  }

  /**
   * Whether the password is the one the hash was made of. With no hash, one that is not bcrypt or too
   * costly to run, or a password bcrypt would not read whole, the answer is no, after the same work.
   */
  async verify(password: string, storedHash: string | undefined): Promise<boolean> {
    const usable = storedHash !== undefined && isHashable(password) && isRunnableHash(storedHash);
    const hash = usable ? storedHash.replace("$2y$", "$2b$") : this.#dummyHash;
    const right = await this.#run("verify", { password, hash, cost: this.#cost });
    return right && usable;
  }

  /** Whether the cost has gone up since the hash was made. */
  needsRehash(storedHash: string): boolean {
    return costOf(storedHash) < this.#cost;
  }

  /**
   * How hard the password is to guess, by zxcvbn.
   * @param context words an attacker would try first: the user's names, the service's
   */
  async estimate(password: string, context: string[]): Promise<PasswordEstimate> {
    return this.#run("estimate", { password, context });
  }

  /** @throws OVERLOADED when there is no place for anybody: to be asked before anything is done for a request */
  expectPlace(): void {
    if (this.#taken >= PLACES) throw overloaded();
  }

  /**
   * Takes a place in the queue for all of `work`, before the first password of it is checked. Half of the places are
   * kept for users who have shown who they are before, one for each at a time: they still get in while others, or one
   * of them, flood it.
   * @param userId the user that the place is kept for; undefined for anybody
   * @throws OVERLOADED
   */
  async withPlace<T>({ userId }: { userId: string | undefined }, work: () => Promise<T>): Promise<T> {
    const priority = userId !== undefined && !this.#usersWithPlace.has(userId);
    if (this.#taken >= (priority ? PLACES : PLACES / 2)) throw overloaded();
    this.#taken++;
    if (priority) this.#usersWithPlace.add(userId);
    try {
      return await work();
    } finally {
      this.#taken--;
      if (priority) this.#usersWithPlace.delete(userId);
    }
  }

  /** Ends the threads once what they were given is done. */
  async close(): Promise<void> {
    await this.#pool?.close();
  }

  #threads(): Piscina {
    this.#pool ??= new Piscina({
      filename: new URL(`./password-worker${extname(import.meta.url)}`, import.meta.url).href,
      minThreads: THREADS,
      maxThreads: THREADS,
      maxQueue: PLACES,
      niceIncrement: 10,
      // Whoever is next while no thread is free would otherwise be sent to the end of the queue, each time.
      stricterFIFO: true,
      // A worker waiting on Atomics cannot be stopped quickly.
      atomics: "disabled",
    });
    return this.#pool;
  }

  async #run(name: "hash", task: { password: string; cost: number }): Promise<string>;
  async #run(name: "verify", task: { password: string; hash: string; cost: number }): Promise<boolean>;
  async #run(name: "estimate", task: { password: string; context: string[] }): Promise<PasswordEstimate>;
  async #run(name: string, task: object): Promise<unknown> {
    try {
      const queuedAt = process.hrtime.bigint();
      const { startedAt, result } = (await this.#threads().run(task, { name })) as Timed<unknown>;
      this.#metrics.passwordWaited(Number(startedAt - queuedAt) / 1e9);
      return result;
    } catch (error) {
      if (error instanceof Error && error.message === "Task queue is at limit") {
        throw overloaded();
      }
      throw error;
    }
  }
}

function overloaded(): LatchkeyError<"OVERLOADED"> {
  const message = `Too many passwords are being checked. Try again in ${RETRY_AFTER_SECONDS} seconds.`;
  return new LatchkeyError("OVERLOADED", message, { retryAfter: RETRY_AFTER_SECONDS });
}

/** Whether bcrypt would read the whole password: no NUL, no lone surrogate, at most 72 bytes of UTF-8. */
export function isHashable(password: string): boolean {
  return (
    password.isWellFormed() && !password.includes("\0") && Buffer.byteLength(password) <= MAX_PASSWORD_BYTES
  );
}

/** Whether this is a bcrypt hash (`$2a$`, `$2b$` or `$2y$`) of a cost that is ever run. */
export function isRunnableHash(hash: string): boolean {
  const cost = costOf(hash);
  return cost >= 4 && cost <= MAX_BCRYPT_COST;
}

function costOf(hash: string): number {
  return Number(BCRYPT_HASH.exec(hash)?.[1]);
}
