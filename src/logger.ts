import { type DestinationStream, type Logger, pino } from "pino";
import { PinoPretty } from "pino-pretty";
import type { Config } from "./config.js";

/** JSON lines; in development and on a terminal's behalf, lines for people. No secret is ever passed to it. */
export function createLogger(config: Config, destination?: DestinationStream): Logger {
  const options = { level: config.logLevel, serializers: { err: describeError } };
  if (destination !== undefined) return pino(options, destination);
  if (config.production) return pino(options);
  const people = PinoPretty({ sync: true, ignore: "pid,hostname", translateTime: "HH:MM:ss" });
  return pino(options, people);
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
