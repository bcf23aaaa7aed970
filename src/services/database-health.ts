import { SECOND } from "../clock.js";
import { LatchkeyError } from "../errors.js";
import { type Database, isUnavailable, probe } from "../storage/database.js";

/** How long the result of a probe is reused. */
const PROBE_PERIOD = SECOND;
/** When to retry a request that failed because the database was unavailable. Seconds. */
const RETRY_AFTER = 5;

export interface DatabaseHealthDeps {
  db: Database;
  /** Called once when the database becomes unavailable. */
  onAway: (error: unknown) => void;
  /** Called once when it is available again. */
  onBack: () => void;
}

/** Whether the database can be read and written, going by probes and failed requests. */
export class DatabaseHealth {
  #probed: { at: number; result: Promise<void> } | undefined;
  #failedAt = 0;
  #watch: NodeJS.Timeout | undefined;

  constructor(private readonly deps: DatabaseHealthDeps) {}

  /** Checks that the database can be read and written, with one probe a second at most. @throws the probe's error */
  async check(): Promise<void> {
    const now = performance.now();
    if (this.#probed === undefined || now - this.#probed.at > PROBE_PERIOD) {
      const result = probe(this.deps.db);
      result.catch((error: unknown) => this.translate(error));
      this.#probed = { at: now, result };
    }
    await this.#probed.result;
  }

  /**
   * Translates an error for the client.
   * @returns SERVICE_UNAVAILABLE when it says that the database is unavailable, otherwise the error itself
   */
  translate(error: unknown): unknown {
    if (!isUnavailable(error)) return error;
    this.#failedAt = performance.now();
    if (this.#watch === undefined) {
      this.deps.onAway(error);
      this.#watch = setInterval(() => this.#checkAgain(), PROBE_PERIOD).unref();
    }
    return new LatchkeyError(
      "SERVICE_UNAVAILABLE",
      "The service is unavailable. Try again in a few seconds.",
      {
        retryAfter: RETRY_AFTER,
      },
    );
  }

  /** Stops watching for the database to become available again. */
  close(): void {
    clearInterval(this.#watch);
  }

  /** A successful probe is not enough while requests still fail, as they do when a table is locked. */
  #checkAgain(): void {
    if (performance.now() - this.#failedAt < 2 * PROBE_PERIOD) return;
    this.check().then(
      () => {
        if (this.#watch === undefined) return;
        clearInterval(this.#watch);
        this.#watch = undefined;
        this.deps.onBack();
      },
      () => {},
    );
  }
}
