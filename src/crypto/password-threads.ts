import { availableParallelism } from "node:os";
import { extname } from "node:path";
import type { Piscina } from "piscina";

const FILE = new URL(`./password-worker${extname(import.meta.url)}`, import.meta.url).href;

/**
 * The worker threads that hash, check and rate passwords, so that reading a token never waits behind a password. They
 * have a lower priority: every core can hash, and still answers requests first. They start at the first use: most of the
 * operator's commands need none.
 */
export class PasswordThreads {
  /** How many threads hash and check. Together, the processes on this machine have about one for each core. */
  readonly count: number;
  #hashing: Promise<Piscina> | undefined;
  #rating: Promise<Piscina> | undefined;

  /** @param processes how many processes share the cores */
  constructor(processes = 1) {
    this.count = Math.ceil(availableParallelism() / processes);
  }

  /** Runs one of the functions of `password-worker.ts`. */
  async run(name: "hash" | "verify" | "estimate", task: object): Promise<unknown> {
    return (await this.#poolFor(name)).run(task, { name });
  }

  #poolFor(name: "hash" | "verify" | "estimate"): Promise<Piscina> {
    if (name !== "estimate") {
      this.#hashing ??= startPool(this.count);
      return this.#hashing;
    }
    // One thread of its own: the word lists take 60 MB in each thread that loads them.
    this.#rating ??= startPool(1);
    return this.#rating;
  }

  /** Ends the threads after the tasks they were given. */
  async close(): Promise<void> {
    for (const pool of [this.#hashing, this.#rating]) await (await pool)?.close();
  }
}

async function startPool(threads: number): Promise<Piscina> {
  const { Piscina } = await import("piscina");
  return new Piscina({
    filename: FILE,
    // Each starts when all others are busy, and stays.
    minThreads: 1,
    maxThreads: threads,
    idleTimeout: Number.POSITIVE_INFINITY,
    // Not the lowest priority: beside other programs that use all cores, a password would then take minutes.
    niceIncrement: 10,
    // The next task while no thread is free would otherwise go to the end of the queue, each time.
    stricterFIFO: true,
    // A worker waiting on Atomics cannot be stopped quickly.
    atomics: "disabled",
  });
}
