import { monitorEventLoopDelay } from "node:perf_hooks";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { LatchkeyError } from "./errors.js";
import { collectProcessMetrics } from "./process-metrics.js";

/** Upper bounds of a request's time, in seconds. */
const DURATIONS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** How often to look how late the event loop is, in milliseconds. */
const EVENT_LOOP_RESOLUTION = 20;

export interface PoolUse {
  /** Connections open but unused. */
  idle: number;
  /** Connections in use, or being opened. */
  active: number;
  /** Queries that wait for a connection. */
  waiting: number;
}

/**
 * What one Latchkey counts and measures, told in Prometheus's text format. The labels' values are of closed
 * lists: nothing a client chooses becomes one.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #stopProcessMetrics = collectProcessMetrics(this.#registry);
  readonly #eventLoop = monitorEventLoopDelay({ resolution: EVENT_LOOP_RESOLUTION });

  readonly #translate: (error: unknown) => unknown;

  /** What takes a while to read. */
  readonly #readings: (() => Promise<void>)[] = [];
  #poolUse: (() => PoolUse) | undefined;

  readonly #httpRequests = this.#counter(
    "http_requests_total",
    "HTTP requests answered, by route and status.",
    ["route", "code"],
  );
  readonly #operations = this.#counter(
    "graphql_requests_total",
    "GraphQL requests answered, by root field and error code (OK: none).",
    ["operation", "code"],
  );
  readonly #httpDurations = this.#histogram("http_request_duration_seconds", "How long HTTP requests took.", [
    "route",
  ]);
  readonly #operationDurations = this.#histogram(
    "graphql_request_duration_seconds",
    "How long GraphQL requests took.",
    ["operation"],
  );
  readonly #logins = this.#counter("logins_total", "Logins, by success or the error's code.", ["outcome"]);
  readonly #refusedAttempts = this.#counter(
    "attempts_refused_total",
    "Attempts refused as too many, by kind.",
    ["kind"],
  );
  readonly #droppedConnections = this.#counter(
    "http_connections_dropped_total",
    "Connections closed at once because too many were open.",
    [],
  );
  readonly #passwordWait = this.#histogram(
    "password_wait_seconds",
    "How long requests waited for a slot to check or hash a password.",
    [],
  );
  readonly #passwordWork = this.#histogram(
    "password_work_seconds",
    "How long checking or hashing a password took.",
    [],
  );

  /** @param options.translate makes a LatchkeyError of what other parts throw, where there is one for it */
  constructor({ translate = (error) => error }: { translate?: (error: unknown) => unknown } = {}) {
    this.#translate = translate;
    this.#eventLoop.enable();
    for (const [name, percentile] of [
      ["p50", 50],
      ["p99", 99],
      ["max", 100],
    ] as const) {
      const help = `How late the event loop was since the start, or since this was last read: ${name}.`;
      this.#gauge(`event_loop_delay_${name}_seconds`, help, () =>
        // What it measures is the time between two looks.
        Math.max(0, this.#eventLoop.percentile(percentile) / 1e9 - EVENT_LOOP_RESOLUTION / 1000),
      );
    }
  }

  /**
   * @param route the route's path as it was declared, or "none"
   * @param status "aborted" when the client did not wait for it
   */
  httpRequestAnswered(route: string, status: number | "aborted", seconds: number): void {
    this.#httpRequests.inc({ route, code: String(status) });
    this.#httpDurations.observe({ route }, seconds);
  }

  /**
   * @param operation names of the schema only
   * @param code the error's code, or "OK"
   */
  graphqlRequestAnswered(operation: string, code: string, seconds: number): void {
    this.#operations.inc({ operation, code });
    this.#operationDurations.observe({ operation }, seconds);
  }

  /** Counts a login by how it ends, and gives what it gives. */
  async login<T>(login: Promise<T>): Promise<T> {
    try {
      const result = await login;
      this.#logins.inc({ outcome: "success" });
      return result;
    } catch (thrown) {
      const error = this.#translate(thrown);
      this.#logins.inc({ outcome: error instanceof LatchkeyError ? error.code : "INTERNAL_SERVER_ERROR" });
      throw thrown;
    }
  }

  /** @param kind what there were too many attempts at */
  attemptRefused(kind: string): void {
    this.#refusedAttempts.inc({ kind });
  }

  connectionDropped(): void {
    this.#droppedConnections.inc();
  }

  passwordWaited(seconds: number): void {
    this.#passwordWait.observe(seconds);
  }

  passwordWorked(seconds: number): void {
    this.#passwordWork.observe(seconds);
  }

  /** @param length requests that wait now */
  watchPasswordQueue(length: () => number): void {
    this.#gauge("password_queue_length", "Requests waiting for a slot to check or hash a password.", length);
  }

  watchDatabasePool(use: () => PoolUse): void {
    this.#poolUse = use;
    const gauge = new Gauge({
      name: "latchkey_database_pool_connections",
      help: "PostgreSQL connections that are idle or active, and queries waiting for one.",
      labelNames: ["state"],
      registers: [this.#registry],
      collect: () => {
        for (const [state, number] of Object.entries(use())) gauge.set({ state }, number);
      },
    });
  }

  /**
   * @param read how many emails wait, and how long the oldest has, in seconds; asked at each reading, and left out when
   *   it fails or would have to wait for a connection
   */
  watchOutbox(read: () => Promise<{ waiting: number; oldestAge: number }>): void {
    const waiting = this.#gauge("outbox_emails", "Emails that wait to be sent.");
    const oldestAge = this.#gauge(
      "outbox_oldest_email_age_seconds",
      "How long the oldest of them has waited.",
    );
    this.#readings.push(async () => {
      waiting.remove();
      oldestAge.remove();
      const busy = (this.#poolUse?.().waiting ?? 0) > 0;
      const backlog = busy ? undefined : await read().catch(() => undefined);
      if (backlog === undefined) return;
      waiting.set(backlog.waiting);
      oldestAge.set(backlog.oldestAge);
    });
  }

  /** All of it, as of now, in the format that `contentType` names. */
  async read(): Promise<{ contentType: string; text: string }> {
    await Promise.all(this.#readings.map((read) => read()));
    const text = await this.#registry.metrics();
    this.#eventLoop.reset();
    return { contentType: this.#registry.contentType, text };
  }

  /** Stops measuring. */
  close(): void {
    this.#eventLoop.disable();
    this.#stopProcessMetrics();
  }

  #counter<L extends string>(name: string, help: string, labelNames: L[]): Counter<L> {
    return new Counter({ name: `latchkey_${name}`, help, labelNames, registers: [this.#registry] });
  }

  #histogram<L extends string>(name: string, help: string, labelNames: L[]): Histogram<L> {
    return new Histogram({
      name: `latchkey_${name}`,
      help,
      labelNames,
      buckets: DURATIONS,
      registers: [this.#registry],
    });
  }

  #gauge(name: string, help: string, read?: () => number): Gauge {
    const gauge: Gauge = new Gauge({
      name: `latchkey_${name}`,
      help,
      registers: [this.#registry],
      ...(read && { collect: () => gauge.set(read()) }),
    });
    return gauge;
  }
}
