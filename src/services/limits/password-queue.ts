import { SECOND } from "../../clock.js";
import type { Passwords } from "../../crypto/passwords.js";
import { LatchkeyError } from "../../errors.js";
import type { Metrics } from "../../metrics.js";
import type { Caller } from "../audit.js";
import { FairQueue } from "./fair-queue.js";
import { networkOf } from "./network.js";

/** As much work waits for each thread, by the time that a password has taken so far. */
const MAX_WORK_WAITING = 5 * SECOND;
/** However slow the machine is: a short burst is not refused. */
const MIN_CAPACITY = 24;
/** Nobody waits longer, whatever the estimate was. */
const MAX_WAIT = 30 * SECOND;
/** In seconds: by then what waits now has had its turn. */
const RETRY_AFTER = MAX_WORK_WAITING / SECOND;

/** For whom a password is checked or hashed. */
export interface SlotHolder {
  caller: Caller;
  /** Who within the network; empty where there is no account yet. */
  account: string;
  /** Whether this network is known to the account, or the request has proved who it is for. */
  known: boolean;
}

interface Waiting {
  known: boolean;
  start: () => void;
  refuse: () => void;
}

export interface PasswordQueueDeps {
  passwords: Passwords;
  metrics: Metrics;
}

/**
 * The queue before the threads that check and hash passwords. It is fair: turns go round the networks that wait, and
 * within one round its accounts. It is bounded by the time that its work takes; when it is full, the network that has
 * the most waiting makes room. Half of it is for those whose network is known to the account, and half for others, when
 * it is full of networks that have one each: so neither sort of flood from very many networks keeps the other out.
 */
export class PasswordQueue {
  readonly #queue = new FairQueue<Waiting>();
  /** The same, in the order in which they came. */
  readonly #waiting = new Set<Waiting>();
  #running = 0;

  constructor(private readonly deps: PasswordQueueDeps) {
    deps.metrics.watchPasswordQueue(() => this.#queue.size);
  }

  /**
   * Runs all of a request's password work once it has a slot. Not to be nested.
   * @throws OVERLOADED, and what the work throws
   */
  async withSlot<T>(holder: SlotHolder, work: () => Promise<T>): Promise<T> {
    const askedAt = performance.now();
    // One more than can compute: while one is at the database, no thread is idle.
    if (this.#running <= this.deps.passwords.threads) this.#running++;
    else await this.#turn(holder);
    this.deps.metrics.passwordWaited((performance.now() - askedAt) / SECOND);
    try {
      return await work();
    } finally {
      const next = this.#queue.take();
      if (next === undefined) this.#running--;
      else next.start();
    }
  }

  /** Resolves when the slot of another request has been handed over. */
  async #turn({ caller, account, known }: SlotHolder): Promise<void> {
    const network = networkOf(caller);
    if (this.#isFull()) {
      const displaced = this.#queue.displacedBy([network, account]) ?? this.#newestOther(network, known);
      if (displaced === undefined) throw overloaded();
      displaced.refuse();
    }
    await new Promise<void>((resolve, reject) => {
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
        refuse: () => {
          leave();
          this.#queue.remove([network, account], waiting);
          reject(overloaded());
        },
      };
      const timer = setTimeout(waiting.refuse, MAX_WAIT);
      this.#waiting.add(waiting);
      this.#queue.add([network, account], waiting);
    });
  }

  #isFull(): boolean {
    const { threads, duration } = this.deps.passwords;
    return this.#queue.size >= Math.max(MIN_CAPACITY, (threads * MAX_WORK_WAITING) / duration);
  }

  /** Of known and other networks, the newest of those who have more than half, for a network that has none waiting. */
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
