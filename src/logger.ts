import { type DestinationStream, type Logger, pino } from "pino";
import { PinoPretty } from "pino-pretty";
import type { Config } from "./config.js";

/** Logs JSON lines in production, readable lines in development. No secret is ever passed to it. */
export function createLogger(config: Config, destination?: DestinationStream): Logger {
  const options = { level: config.logLevel, serializers: { err: describeError } };
  if (destination !== undefined) return pino(options, destination);
  if (config.production) return pino(options, new LineBatches(pino.destination({ sync: true })));
  const pretty = PinoPretty({
    sync: true,
    // Tells workers apart.
    ignore: [...(config.workers > 1 ? [] : ["pid"]), "hostname", ...REQUEST_KEYS].join(","),
    translateTime: "HH:MM:ss",
    messageFormat: (line, key) => (line[key] === "request" ? describeRequest(line) : String(line[key])),
  });
  return pino(options, pretty);
}

/** What Linux writes to a pipe in one piece (PIPE_BUF), in bytes: lines of several processes do not mix. */
const MAX_BATCH = 4096;

/** Writes the lines of one turn of the event loop with one system call. None waits when the process exits. */
class LineBatches implements DestinationStream {
  #lines = "";
  #bytes = 0;

  constructor(private readonly destination: DestinationStream) {
    process.on("exit", () => this.flushSync());
  }

  write(line: string): void {
    const bytes = Buffer.byteLength(line);
    if (this.#bytes + bytes > MAX_BATCH) this.flushSync();
    if (this.#lines === "") setImmediate(() => this.flushSync());
    this.#lines += line;
    this.#bytes += bytes;
  }

  /** pino calls it after a fatal error. */
  flushSync(): void {
    if (this.#lines !== "") this.destination.write(this.#lines);
    this.#lines = "";
    this.#bytes = 0;
  }
}

/** The fields of a request's line: see `http/hooks/request-log.ts`. */
const REQUEST_KEYS = [
  "reqId",
  "method",
  "path",
  "operation",
  "status",
  "code",
  "reason",
  "fields",
  "userId",
  "sessionId",
  "ms",
  "ip",
];

/** Such as "POST /graphql me 401 UNAUTHENTICATED 3.1 ms". */
function describeRequest(line: Record<string, unknown>): string {
  const { method, path, operation, status, code, reason, ms } = line;
  const parts = [method, path, operation, status, code, reason].filter((part) => part !== undefined);
  return `${parts.join(" ")} ${ms} ms`;
}

/** The parts of an error that are safe to log: an error of the database also holds the values of the rejected row. */
function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { type: typeof error };
  const { name, message, stack, cause } = error;
  const code = "code" in error ? { code: error.code } : {};
  return {
    type: name,
    message: printable(message),
    ...code,
    stack: printable(stack),
    ...(cause !== undefined && { cause: describeError(cause) }),
  };
}

/** Replaces control characters, which could control the terminal that the log is read on. */
function printable(text: string | undefined): string | undefined {
  return text?.replace(/(?![\n\t])\p{Cc}/gu, "\ufffd");
}
