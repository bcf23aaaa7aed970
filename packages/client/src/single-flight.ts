/** A task in flight. */
export interface Flight {
  signal: AbortSignal;
  /** Whether its result is out of date. */
  cancelled: boolean;
}

export type Task = (flight: Flight) => Promise<void>;

export interface SingleFlight {
  /** Runs the task, or another one in its place, once for all who ask meanwhile. */
  run(instead?: Task): Promise<void>;
  cancel(): void;
  /** Settles when the task is not running. */
  idle(): Promise<void>;
}

/** @param timeout after how many milliseconds the task is aborted: everyone waits for it */
export function createSingleFlight(task: Task, timeout: number): SingleFlight {
  let current: { done: Promise<void>; cancel(): void } | undefined;

  function start(task: Task): { done: Promise<void>; cancel(): void } {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), timeout);
    const flight = { signal: controller.signal, cancelled: false };
    const started = {
      done: task(flight).finally(() => {
        clearTimeout(timer);
        if (current === started) current = undefined;
      }),
      cancel() {
        flight.cancelled = true;
        controller.abort();
      },
    };
    return started;
  }

  return {
    run(instead = task) {
      current ??= start(instead);
      return current.done;
    },
    cancel() {
      current?.cancel();
      current = undefined;
    },
    idle: async () => current?.done.catch(() => {}),
  };
}
