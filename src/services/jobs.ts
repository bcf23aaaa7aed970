import { type Clock, MINUTE } from "../clock.js";
import type { Database } from "../storage/database.js";
import { releaseJob, takeJob } from "../storage/jobs.js";

/** The lease on a running job: if its process dies, another one can take it after this time. */
const LEASE = 5 * MINUTE;

/** Periodic work, done by one of all the processes on a database. */
export interface Job {
  name: string;
  /** The time from the end of one run to the next, in milliseconds. */
  interval: number;
  run(): Promise<void>;
}

export interface JobsDeps {
  db: Database;
  clock: Clock;
  jobs: readonly Job[];
}

/** Runs jobs, each in one process at a time. */
export class Jobs {
  constructor(private readonly deps: JobsDeps) {}

  /**
   * Runs the jobs that are due and that no other process is running. A failed job is due again immediately, and does not
   * keep the others from running.
   * @throws the error of a failed job, after all have run; an AggregateError when several failed
   */
  async runDue(): Promise<void> {
    const failures: unknown[] = [];
    for (const job of this.deps.jobs)
      await this.#runIfDue(job).catch((error: unknown) => failures.push(error));
    if (failures.length > 1) throw new AggregateError(failures, "several jobs failed");
    if (failures.length === 1) throw failures[0];
  }

  async #runIfDue(job: Job): Promise<void> {
    const now = this.deps.clock.now();
    const taken = now + LEASE;
    if (!(await takeJob(this.deps.db, job.name, { now, until: taken }))) return;
    let until = 0;
    try {
      await job.run();
      until = this.deps.clock.now() + job.interval;
    } finally {
      await releaseJob(this.deps.db, job.name, { taken, until });
    }
  }

  /**
   * Runs the due jobs periodically.
   * @param period milliseconds
   * @param onError receives the error of a failed job, which runs again in the next period
   * @returns stops it, and waits for the current run
   */
  start(period: number, onError: (error: unknown) => void): () => Promise<void> {
    let running: Promise<void> | undefined;
    const timer = setInterval(() => {
      running ??= this.runDue()
        .catch(onError)
        .finally(() => {
          running = undefined;
        });
    }, period);
    return async () => {
      clearInterval(timer);
      await running;
    };
  }
}
