import { availableParallelism } from "node:os";
import { extname } from "node:path";
import { Piscina } from "piscina";

/** How many threads there are: one core stays free for requests. */
export const THREADS = Math.max(1, availableParallelism() - 1);

/**
 * The worker threads that hash, check and rate passwords, so that reading a token never waits behind a password.
 * They start at the first use: most of the operator's commands need none.
 */
export class PasswordThreads {
  #pool: Piscina | undefined;

  /** Runs one of the functions of `password-worker.ts`. */
  async run(name: "hash" | "verify" | "estimate", task: object): Promise<unknown> {
    this.#pool ??= new Piscina({
      filename: new URL(`./password-worker${extname(import.meta.url)}`, import.meta.url).href,
      minThreads: THREADS,
      maxThreads: THREADS,
      niceIncrement: 10,
      // The next task while no thread is free would otherwise go to the end of the queue, each time.
      stricterFIFO: true,
      // A worker waiting on Atomics cannot be stopped quickly.
      atomics: "disabled",
    });
    return this.#pool.run(task, { name });
  }

  /** Ends the threads after the tasks they were given. */
  async close(): Promise<void> {
    await this.#pool?.close();
  }
}
