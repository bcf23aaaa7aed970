import { type DestinationStream, type Logger, pino } from "pino";
import { PinoPretty } from "pino-pretty";
import type { Config } from "./config.js";

/** JSON lines; in development and on a terminal's behalf, lines for people. No secret is ever passed to it. */
export function createLogger(config: Config, destination?: DestinationStream): Logger {
  const options = { level: config.logLevel, serializers: { err: describeError } };
  if (destination !== undefined) return pino(options, destination);
  if (config.production) return pino(options);
  const people = PinoPretty({
    sync: true,
    ignore: ["pid", "hostname", ...REQUEST_KEYS].join(","),
    translateTime: "HH:MM:ss",
    messageFormat: (line, key) => (line[key] === "request" ? requestForPeople(line) : String(line[key])),
  });
  return pino(options, people);
}

/** What the line of a request tells: see `http/request-log.ts`. */
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
function requestForPeople(line: Record<string, unknown>): string {
  const { method, path, operation, status, code, reason, ms } = line;
  const told = [method, path, operation, status, code, reason].filter((part) => part !== undefined);
  return `${told.join(" ")} ${ms} ms`;
}

/** What is known to be safe of an error: a database's also carries the values of the row it refused. */
function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { type: typeof error };
  const { name, message, stack, cause } = error;
  const code = "code" in error ? { code: error.code } : {};
  return {
    type: name,
    message: shown(message),
    ...code,
    stack: shown(stack),
    ...(cause !== undefined && { cause: describeError(cause) }),
  };
}

/** Without what could steer the terminal it is read on. */
function shown(text: string | undefined): string | undefined {
  return text?.replace(/(?![\n\t])\p{Cc}/gu, "\ufffd");
}
