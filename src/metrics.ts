import { monitorEventLoopDelay } from "node:perf_hooks";
import { type Aggregator, AggregatorRegistry, Counter, Gauge, Histogram, Registry } from "prom-client";
import { SECOND } from "./clock.js";
import { LatchkeyError } from "./errors.js";
import { collectProcessMetrics } from "./process-metrics.js";

/** Buckets of durations: upper bounds, in seconds. */
const DURATIONS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** How often the event loop's delay is sampled, in milliseconds. */
const EVENT_LOOP_RESOLUTION = 20;

export interface PoolUse {
  /** Open connections that are not in use. */
  idle: number;
  /** Connections in use or being opened. */
  active: number;
  /** Queries waiting for a connection. */
  waiting: number;
}

/** What one process has measured, as JSON. */
export type MetricsReport = Awaited<ReturnType<Registry["getMetricsAsJSON"]>>;

/**
 * The metrics of one Latchkey, in Prometheus's text format. Label values come from closed lists, never from clients.
 */
export class Metrics {
  readonly #registry = new Registry();
  /** Metrics that are read from the database: the same for all processes. */
  readonly #databaseRegistry = new Registry();
  readonly #stopProcessMetrics = collectProcessMetrics(this.#registry);
  readonly #eventLoop = monitorEventLoopDelay({ resolution: EVENT_LOOP_RESOLUTION });

  readonly #translate: (error: unknown) => unknown;

  readonly #readings: (() => Promise<void>)[] = [];
  /** Returns the reports of the other workers. Undefined: this process is the only one. */
  #others: (() => Promise<MetricsReport[]>) | undefined;
  #poolUse: (() => PoolUse) | undefined;

  readonly #httpRequests = this.#counter("http_requests_total", "HTTP responses, by route and status.", [
    "route",
    "code",
  ]);
  readonly #operations = this.#counter(
    "graphql_requests_total",
    "GraphQL responses, by root field and error code (OK for none).",
    ["operation", "code"],
  );
  readonly #httpDurations = this.#histogram("http_request_duration_seconds", "Duration of HTTP requests.", [
    "route",
  ]);
  readonly #operationDurations = this.#histogram(
    "graphql_request_duration_seconds",
    "Duration of GraphQL requests.",
    ["operation"],
  );
  readonly #logins = this.#counter("logins_total", "Logins, by success or error code.", ["outcome"]);
  readonly #refusedAttempts = this.#counter(
    "attempts_refused_total",
    "Attempts rejected by a rate limit, by kind.",
    ["kind"],
  );
  readonly #droppedConnections = this.#counter(
    "http_connections_dropped_total",
    "Connections closed because too many were open.",
    [],
  );
  readonly #passwordWait = this.#histogram(
    "password_wait_seconds",
    "Wait for a slot in the password queue.",
    [],
  );
  readonly #passwordWork = this.#histogram(
    "password_work_seconds",
    "Duration of verifying or hashing a password.",
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
      this.#gauge(`event_loop_delay_${name}_seconds`, {
        help: `Event loop delay since the previous scrape: ${name}.`,
        aggregator: "max",
        // The histogram measures the time between two samples.
        read: () =>
          Math.max(0, this.#eventLoop.percentile(percentile) / 1e9 - EVENT_LOOP_RESOLUTION / SECOND),
      });
    }
  }

  /**
   * @param route the declared path of the route, or "none"
   * @param status "aborted" when the client disconnected first
   */
  httpRequestAnswered(route: string, status: number | "aborted", seconds: number): void {
    this.#httpRequests.inc({ route, code: String(status) });
    this.#httpDurations.observe({ route }, seconds);
  }

  /**
   * @param operation a name from the schema
   * @param code the error's code, or "OK"
   */
  graphqlRequestAnswered(operation: string, code: string, seconds: number): void {
    this.#operations.inc({ operation, code });
    this.#operationDurations.observe({ operation }, seconds);
  }

  /** Counts a login by its outcome and returns its result. */
  async login<T>(login: Promise<T>, outcomeOf: (result: T) => string = () => "success"): Promise<T> {
    try {
      const result = await login;
      this.#logins.inc({ outcome: outcomeOf(result) });
      return result;
    } catch (thrown) {
      const error = this.#translate(thrown);
      this.#logins.inc({ outcome: error instanceof LatchkeyError ? error.code : "INTERNAL_SERVER_ERROR" });
      throw thrown;
    }
  }

  /** @param kind what was attempted */
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

  /** @param length returns the number of waiting requests */
  watchPasswordQueue(length: () => number): void {
    this.#gauge("password_queue_length", { help: "Requests waiting in the password queue.", read: length });
  }

  watchDatabasePool(use: () => PoolUse): void {
    this.#poolUse = use;
    const gauge = new Gauge({
      name: "latchkey_database_pool_connections",
      help: "PostgreSQL connections, idle and active, and queries waiting for one.",
      labelNames: ["state"],
      registers: [this.#registry],
      collect: () => {
        for (const [state, number] of Object.entries(use())) gauge.set({ state }, number);
      },
    });
  }

  /**
   * @param read returns how many emails wait and the oldest one's age in seconds. Called at each scrape; the metrics are
   *   left out when it fails or when queries wait for a connection
   */
  watchOutbox(read: () => Promise<{ waiting: number; oldestAge: number }>): void {
    const registry = this.#databaseRegistry;
    const waiting = this.#gauge("outbox_emails", { help: "Emails waiting to be sent.", registry });
    const oldestAge = this.#gauge("outbox_oldest_email_age_seconds", {
      help: "Age of the oldest waiting email.",
      registry,
    });
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

  /** Makes `read` return the metrics of this process and of others together. */
  aggregateWith(others: () => Promise<MetricsReport[]>): void {
    this.#others = others;
  }

  /** Returns all metrics in the format that `contentType` names. */
  async read(): Promise<{ contentType: string; text: string }> {
    await Promise.all(this.#readings.map((read) => read()));
    const measured = await this.#measured();
    const text = await Registry.merge([measured, this.#databaseRegistry]).metrics();
    this.#eventLoop.reset();
    return { contentType: this.#registry.contentType, text };
  }

  async #measured(): Promise<Registry> {
    if (this.#others === undefined) return this.#registry;
    const reports = await Promise.all([this.#registry.getMetricsAsJSON(), this.#others()]);
    return AggregatorRegistry.aggregate([reports[0], ...reports[1]]);
  }

  /** Returns what this process has measured, without what is read from the database. */
  async report(): Promise<MetricsReport> {
    const report = await this.#registry.getMetricsAsJSON();
    this.#eventLoop.reset();
    return report;
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

  /** @param options.aggregator of the values of several processes: their sum by default */
  #gauge(
    name: string,
    options: { help: string; aggregator?: Aggregator; read?: () => number; registry?: Registry },
  ): Gauge {
    const { help, aggregator = "sum", read, registry = this.#registry } = options;
    const gauge: Gauge = new Gauge({
      name: `latchkey_${name}`,
      help,
      aggregator,
      registers: [registry],
      ...(read && { collect: () => gauge.set(read()) }),
    });
    return gauge;
  }
}
