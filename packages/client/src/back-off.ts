/** The longest delay of `setTimeout`, which fires at once beyond it. */
export const MAX_DELAY = 2 ** 31 - 1;

export interface BackOff {
  /** The error to answer with for now; undefined when the next attempt may be made. */
  readonly error: unknown;
  /** Schedules `retry`: after twice the last delay, and no sooner than the server asks. */
  wait(error: unknown): void;
  reset(): void;
}

/** Spaces out attempts at a server that is unavailable: 1 s, 2 s, 4 s … 30 s, less up to a half, so that clients spread out. */
export function createBackOff(retry: () => void): BackOff {
  let failures = 0;
  let current: unknown;
  let timer: ReturnType<typeof setTimeout> | undefined;
  return {
    get error() {
      return current;
    },
    wait(error) {
      const { retryAfter } = (error as { extensions?: { retryAfter?: number } }).extensions ?? {};
      const seconds = Math.min(2 ** failures++, 30) * (1 - Math.random() / 2);
      clearTimeout(timer);
      current = error;
      timer = setTimeout(
        () => {
          current = undefined;
          retry();
        },
        Math.min(1000 * Math.max(seconds, retryAfter || 0), MAX_DELAY),
      );
      // A program on Node may end meanwhile.
      (timer as { unref?: () => void }).unref?.();
    },
    reset() {
      clearTimeout(timer);
      current = undefined;
      failures = 0;
    },
  };
}
