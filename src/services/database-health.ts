import { SECOND } from "../clock.js";
import { LatchkeyError } from "../errors.js";
import { type Database, isUnavailable, probe } from "../storage/database.js";

/** How long the result of a probe is used again, in milliseconds. */
const PROBE_PERIOD = SECOND;
/** When a client should send a request again that the database was away for, in seconds. */
const RETRY_AFTER = 5;

export interface DatabaseHealthDeps {
  db: Database;
  /** Told once when the database goes away. */
  onAway: (error: unknown) => void;
  /** Told once when it is back. */
  onBack: () => void;
}

/** Whether the database can be read and written, as probes and failed requests tell. */
export class DatabaseHealth {
  #probed: { at: number; result: Promise<void> } | undefined;
  #failedAt = 0;
  #watch: NodeJS.Timeout | undefined;

  constructor(private readonly deps: DatabaseHealthDeps) {}

  /** Resolves when the database can be read and written; many at once cost one probe a second. @throws what failed */
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
   * The one translation of what the database throws.
   * @returns SERVICE_UNAVAILABLE when the database is away, else the error itself
   */
  translate(error: unknown): unknown {
    if (!isUnavailable(error)) return error;
    this.#failedAt = performance.now();
    if (this.#watch === undefined) {
      this.deps.onAway(error);
      this.#watch = setInterval(() => this.#look(), PROBE_PERIOD).unref();
    }
    return new LatchkeyError(
      "SERVICE_UNAVAILABLE",
      "The service is unavailable. Try again in some seconds.",
      {
        retryAfter: RETRY_AFTER,
      },
    );
  }

  /** Stops watching for the database to come back. */
  close(): void {
    clearInterval(this.#watch);
  }

  /** A probe that works is not enough while requests still fail, as when a table is locked. */
  #look(): void {
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
