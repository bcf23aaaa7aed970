import cluster, { type Worker } from "node:cluster";
import type { Logger } from "pino";
import { MINUTE, SECOND } from "./clock.js";
import { stopOnSignal } from "./exit.js";
import type { Metrics, MetricsReport } from "./metrics.js";

/** The delay before a worker is replaced, in milliseconds. It doubles while workers end within `STABLE` of their start. */
const FIRST_DELAY = 100;
const LONGEST_DELAY = 30 * SECOND;
const STABLE = MINUTE;

/** How long a process waits for the metrics of others, in milliseconds. */
const REPORT_TIMEOUT = SECOND;

/** Whether this process does what is done once for all workers. True for the only process, too. */
export const isFirst = cluster.isPrimary || cluster.worker?.id === 1;

/**
 * Runs this program in several processes that share its port, and replaces those that end. The first worker starts
 * alone: the others start when it listens, and so has migrated the database. When no worker is listening and one ends
 * before it listens, this process exits with its code.
 */
export class Workers {
  readonly #running = new Set<Worker>();
  readonly #listening = new Map<Worker, () => Promise<MetricsReport[]>>();
  #delay = FIRST_DELAY;
  #stopping = false;

  constructor(private readonly deps: { count: number; logger: Logger }) {}

  /** Starts the workers. A signal to stop is passed on to them. */
  start(): void {
    stopOnSignal(this.deps.logger, () => {
      this.#stopping = true;
      for (const worker of this.#running) worker.process.kill("SIGTERM");
      this.#exitWhenStopped();
    });
    this.#startOne();
  }

  #startOne(): void {
    const worker = cluster.fork();
    const startedAt = performance.now();
    this.#running.add(worker);
    // What was sent to a worker that has just ended.
    worker.on("error", () => {});
    const askForMetrics = connectMetrics(worker, () => this.#reportsOfOthers(worker));
    worker.once("listening", () => {
      this.#listening.set(worker, askForMetrics);
      if (worker.id === 1) for (let n = 1; n < this.deps.count; n++) this.#startOne();
    });
    worker.once("exit", (code: number | null, signal: string | null) => {
      this.#running.delete(worker);
      const listened = this.#listening.delete(worker);
      if (this.#stopping) {
        if (code !== 0 && signal !== "SIGTERM") process.exitCode = 1;
        this.#exitWhenStopped();
      } else {
        const end = { worker: worker.process.pid, code, signal };
        if (!listened && this.#listening.size === 0) this.#giveUp(end);
        this.#replace(end, performance.now() - startedAt);
      }
    });
  }

  #giveUp(end: { code: number | null }): never {
    // A worker that failed has printed why.
    if (!end.code)
      this.deps.logger.fatal(end, "a worker ended before it listened, and no other is left: exiting");
    process.exit(end.code || 1);
  }

  #replace(end: object, lifetime: number): void {
    const delay = lifetime > STABLE ? FIRST_DELAY : this.#delay;
    this.#delay = Math.min(delay * 2, LONGEST_DELAY);
    this.deps.logger.error({ ...end, delay }, "a worker ended: starting another");
    setTimeout(() => {
      if (!this.#stopping) this.#startOne();
    }, delay);
  }

  #exitWhenStopped(): void {
    if (this.#running.size === 0) process.exit();
  }

  async #reportsOfOthers(asker: Worker): Promise<MetricsReport[]> {
    const others = [...this.#listening].filter(([worker]) => worker !== asker);
    return (await Promise.all(others.map(([, ask]) => ask()))).flat();
  }
}

/** In a worker: makes the metrics those of all workers. */
export function shareMetrics(metrics: Metrics): void {
  // The primary process waits as long for the others.
  const ask = connectMetrics(process, async () => [await metrics.report()], 2 * REPORT_TIMEOUT);
  metrics.aggregateWith(ask);
}

/** In a worker that has closed everything else: closes the channel to the primary process, which keeps it running. */
export function leaveWorkers(): void {
  cluster.worker?.disconnect();
}

type Message = { metricsAsked: number } | { metricsOf: number; reports: MetricsReport[] };

/**
 * Exchanges metrics over the channel between a worker and the primary process.
 * @param own returns what the other side gets when it asks
 * @returns asks the other side. It has no metrics when it ends, or takes too long
 */
function connectMetrics(
  peer: Worker | NodeJS.Process,
  own: () => Promise<MetricsReport[]>,
  timeout = REPORT_TIMEOUT,
): () => Promise<MetricsReport[]> {
  const waiting = new Map<number, (reports: MetricsReport[]) => void>();
  let last = 0;
  // The other side may have ended.
  const send = (message: Message) => peer.send?.(message, undefined, undefined, () => {});
  peer.on("message", async (message: Message) => {
    if ("metricsOf" in message) waiting.get(message.metricsOf)?.(message.reports);
    else send({ metricsOf: message.metricsAsked, reports: await own().catch(() => []) });
  });
  return () =>
    new Promise((resolve) => {
      const question = ++last;
      const finish = (reports: MetricsReport[]) => {
        clearTimeout(timer);
        waiting.delete(question);
        resolve(reports);
      };
      const timer = setTimeout(finish, timeout, []);
      waiting.set(question, finish);
      send({ metricsAsked: question });
    });
}
