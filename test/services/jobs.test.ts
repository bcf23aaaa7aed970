import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { HOUR, MINUTE } from "../../src/clock.js";
import { type Job, Jobs } from "../../src/services/jobs.js";
import { type App, makeApp } from "../support/app.js";
import { DATABASES } from "../support/databases.js";

describe.each(DATABASES)("jobs on %s", (database) => {
  let app: App;
  beforeEach(async () => {
    app = await makeApp({ database });
  });
  afterEach(() => app.close());

  const processWith = (...jobs: Job[]) => {
    const { db } = app.latchkey;
    return new Jobs({ db, clock: app.clock, jobs });
  };

  /** A job that records each run and does `work`. */
  function job(name: string, work: () => Promise<void> = async () => {}) {
    const runs: string[] = [];
    const run = async () => {
      runs.push(name);
      await work();
    };
    return { runs, name, interval: HOUR, run };
  }

  test("a completed job is due again after its interval, to the millisecond", async () => {
    const done = job("done");
    const jobs = processWith(done);
    await jobs.runDue();
    app.clock.advance(HOUR - 1);
    await jobs.runDue();
    expect(done.runs).toHaveLength(1);
    app.clock.advance(1);
    await jobs.runDue();
    expect(done.runs).toHaveLength(2);
  });

  test("a failed job is due again immediately, in any process, and does not stop the others", async () => {
    let broken = true;
    const failing = job("failing", async () => {
      if (broken) throw new Error("the job failed");
    });
    const other = job("other");
    await expect(processWith(failing, other).runDue()).rejects.toThrow("the job failed");
    expect(other.runs).toHaveLength(1);
    broken = false;
    await processWith(failing, other).runDue();
    expect(failing.runs).toHaveLength(2);
    // Once completed, it is due after its interval.
    await processWith(failing, other).runDue();
    expect([failing.runs.length, other.runs.length]).toEqual([2, 1]);
  });

  test("if several fail, each is reported", async () => {
    const fail = (name: string) =>
      job(name, async () => {
        throw new Error(`${name} failed`);
      });
    const failure = await processWith(fail("one"), fail("two"))
      .runDue()
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(AggregateError);
    expect((failure as AggregateError).errors.map(({ message }) => message)).toEqual([
      "one failed",
      "two failed",
    ]);
  });

  test("a process holds a job for five minutes after it claimed it; a later result is ignored", async () => {
    const slow = held("slow");
    const first = processWith(slow).runDue();
    await slow.running;
    app.clock.advance(5 * MINUTE - 1);
    const tooEarly = job("slow");
    await processWith(tooEarly).runDue();
    expect(tooEarly.runs).toEqual([]);

    app.clock.advance(1);
    const takenOver = held("slow");
    const second = processWith(takenOver).runDue();
    await takenOver.running;
    slow.end(new Error("too late"));
    await expect(first).rejects.toThrow("too late");
    // The second process still holds it: the first released a claim that had expired.
    const third = job("slow");
    await processWith(third).runDue();
    expect(third.runs).toEqual([]);
    takenOver.end();
    await second;
    app.clock.advance(HOUR);
    await processWith(third).runDue();
    expect(third.runs).toHaveLength(1);
  });
});

/** A job that runs until it is told to end, or to fail. */
function held(name: string) {
  const running = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  return {
    name,
    interval: HOUR,
    running: running.promise,
    end: (error?: Error) => (error ? ended.reject(error) : ended.resolve()),
    run: () => {
      running.resolve();
      return ended.promise;
    },
  };
}
