import { type Clock, MINUTE } from "../clock.js";
import type { Database } from "../storage/database.js";
import { releaseJob, takeJob } from "../storage/jobs.js";

/** A job whose process died is left to the others after this long, in milliseconds. */
const LEASE = 5 * MINUTE;

/** Something to be done now and then, by one of all the processes on a database. */
export interface Job {
  name: string;
  /** How long to leave it after it was done, in milliseconds. */
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
   * Runs the jobs that are due and that no other process has. One that fails is due again at once, and does not keep
   * the others from running.
   * @throws what the jobs failed with, after all have had their turn; an AggregateError when several did
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
   * Runs what is due again and again, until the returned function is called; that waits for the run under way.
   * @param onError told when a job failed; it is tried again in the next round
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
