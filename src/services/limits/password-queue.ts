import { SECOND } from "../../clock.js";
import type { Passwords } from "../../crypto/passwords.js";
import { LatchkeyError } from "../../errors.js";
import type { Metrics } from "../../metrics.js";
import type { Caller } from "../audit.js";
import { FairQueue } from "./fair-queue.js";
import { networkOf } from "./network.js";

/** How much work may wait per thread, going by the time that passwords have taken so far. */
const MAX_WORK_WAITING = 5 * SECOND;
/** Even a slow machine takes a short burst, in all its processes together. */
const MIN_CAPACITY = 24;
/** The longest wait, whatever the estimate was. */
const MAX_WAIT = 30 * SECOND;
/** In seconds: by then the current queue has been served. */
const RETRY_AFTER = MAX_WORK_WAITING / SECOND;

/** Who a password is checked or hashed for. */
export interface SlotHolder {
  caller: Caller;
  /** The account within the network; empty when there is none yet. */
  account: string;
  /** Whether the account has signed in from this network, or the request is already authenticated. */
  known: boolean;
}

interface Waiting {
  known: boolean;
  start: () => void;
  reject: () => void;
}

export interface PasswordQueueDeps {
  passwords: Passwords;
  metrics: Metrics;
  /** How many processes share the cores. */
  processes?: number;
}

/**
 * The queue for the threads that check and hash passwords. It is fair: networks take turns, and within a network its
 * accounts. It is bounded by the time that its work takes. When it is full, the network with the most requests makes
 * room; when every network has one, half of the queue is for networks known to the account and half for others, so
 * that a flood from very many networks of one sort cannot keep the other out.
 */
export class PasswordQueue {
  readonly #queue = new FairQueue<Waiting>();
  /** The same requests in order of arrival. */
  readonly #waiting = new Set<Waiting>();
  #running = 0;

  constructor(private readonly deps: PasswordQueueDeps) {
    deps.metrics.watchPasswordQueue(() => this.#queue.size);
  }

  /**
   * Runs all of a request's password work once it has a slot. Must not be nested.
   * @throws OVERLOADED, and what the work throws
   */
  async withSlot<T>(holder: SlotHolder, work: () => Promise<T>): Promise<T> {
    const askedAt = performance.now();
    // One slot more than threads: while one request waits for the database, no thread is idle.
    if (this.#running <= this.deps.passwords.threads) this.#running++;
    else await this.#waitForSlot(holder);
    this.deps.metrics.passwordWaited((performance.now() - askedAt) / SECOND);
    try {
      return await work();
    } finally {
      const next = this.#queue.take();
      if (next === undefined) this.#running--;
      else next.start();
    }
  }

  /** Waits until another request hands over its slot. */
  async #waitForSlot({ caller, account, known }: SlotHolder): Promise<void> {
    const network = networkOf(caller);
    if (this.#isFull()) {
      const displaced = this.#queue.displacedBy([network, account]) ?? this.#newestOther(network, known);
      if (displaced === undefined) throw overloaded();
      displaced.reject();
    }
    await new Promise<void>((resolve, fail) => {
      const leave = () => {
        clearTimeout(timer);
        this.#waiting.delete(waiting);
      };
      const waiting: Waiting = {
        known,
        start: () => {
          leave();
          resolve();
        },
        reject: () => {
          leave();
          this.#queue.remove([network, account], waiting);
          fail(overloaded());
        },
      };
      const timer = setTimeout(waiting.reject, MAX_WAIT);
      this.#waiting.add(waiting);
      this.#queue.add([network, account], waiting);
    });
  }

  #isFull(): boolean {
    const { passwords, processes = 1 } = this.deps;
    const capacity = (passwords.threads * MAX_WORK_WAITING) / passwords.duration;
    return this.#queue.size >= Math.max(MIN_CAPACITY / processes, capacity);
  }

  /** For a network with nothing in the queue: the newest request of the other sort, when that has more than half of it. */
  #newestOther(network: string, known: boolean): Waiting | undefined {
    const others = [...this.#waiting].filter((waiting) => waiting.known !== known);
    const half = this.#waiting.size / 2;
    return this.#queue.has(network) || others.length <= half ? undefined : others.at(-1);
  }
}

function overloaded(): LatchkeyError<"OVERLOADED"> {
  const message = `Too many passwords are being checked. Try again in ${RETRY_AFTER} seconds.`;
  return new LatchkeyError("OVERLOADED", message, { retryAfter: RETRY_AFTER });
}
