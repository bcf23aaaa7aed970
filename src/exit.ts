import cluster from "node:cluster";
import { isNativeError } from "node:util/types";
import type { Logger } from "pino";
import { ConfigError } from "./config.js";
import { LatchkeyError, WrongSecretKeyError } from "./errors.js";

/** npm repeats a signal that the terminal has already sent: two within this time are one, in milliseconds. */
const ONE_SIGNAL = 300;

/**
 * SQLSTATEs caused by the server or by the connecting role rather than by a statement: connection, authorization, unknown
 * database, resources, operator intervention, system error; read-only transaction, insufficient privilege.
 */
const FORESEEN_SQLSTATES = /^((08|28|3D|53|57|58)...|25006|42501)$/;

/** SQLite's result codes caused by the file rather than by a statement. */
const FORESEEN_SQLITE_CODES = /^SQLITE_(BUSY|CANTOPEN|CORRUPT|FULL|IOERR|NOTADB|PERM|READONLY)/;

/**
 * Adds the responsible variable to a failure, which the system's own message does not name.
 * @throws ConfigError; or the error itself when it is a bug in the program or in SQL
 */
export async function blame<T>(variable: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    // A plain Error comes from a library that did what the variable asks for, such as TLS or pg's timeouts.
    if (!isNativeError(error) || !(isForeseen(error) || error.name === "Error")) throw error;
    throw new ConfigError(`${variable} cannot be used: ${messageOf(error)}`, { cause: error });
  }
}

/** Exits with code 1 and prints `lastWords`; of several wrong settings, a line for each. */
export function exitWithMessage(error: unknown): never {
  const words = lastWords(error);
  const lines = error instanceof ConfigError ? words.split("\n") : [words];
  process.stderr.write(lines.map((line) => `latchkey: ${line}\n`).join(""));
  process.exit(1);
}

/** Returns why the process exits: one line for a foreseen error, a stack trace for any other. */
export function lastWords(error: unknown): string {
  if (!isNativeError(error)) return String(error);
  return isForeseen(error) ? messageOf(error) : (error.stack ?? error.message);
}

/** Whether the operator can act on it: a setting, a rejected command, or an error of the system or the database. */
function isForeseen(error: Error): boolean {
  if (
    error instanceof ConfigError ||
    error instanceof LatchkeyError ||
    error instanceof WrongSecretKeyError
  ) {
    return true;
  }
  const { code = "", syscall, errors } = error as { code?: string; syscall?: string; errors?: Error[] };
  // Only errors of the system have a `syscall`: no such file, port in use, connection refused, unknown host, …
  if (syscall !== undefined || errors?.every(isForeseen)) return true;
  return FORESEEN_SQLSTATES.test(code) || FORESEEN_SQLITE_CODES.test(code);
}

/**
 * Logs an uncaught error and exits with code 1: a process in an unknown state must not go on. Its supervisor restarts it.
 */
export function exitOnUnforeseenError(logger: Logger): void {
  // Also for unhandled rejections, which Node throws.
  process.on("uncaughtException", (err) => {
    logger.fatal({ err }, "uncaught error: exiting");
    process.exit(1);
  });
}

/**
 * Calls `stop` on the first SIGTERM or SIGINT, and exits with code 1 on a later one. A worker leaves the later ones to the
 * primary process: a terminal or a supervisor may signal both.
 */
export function stopOnSignal(logger: Logger, stop: () => void): void {
  let stoppingSince: number | undefined;
  const onSignal = (signal: NodeJS.Signals) => {
    if (stoppingSince === undefined) {
      stoppingSince = performance.now();
      logger.info({ signal }, "stopping");
      stop();
    } else if (cluster.isPrimary && performance.now() - stoppingSince >= ONE_SIGNAL) {
      logger.warn({ signal }, "stopping immediately");
      process.exit(1);
    }
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
}

function messageOf(error: Error): string {
  // An AggregateError, from connecting to several addresses of one host, has no message of its own.
  const { errors } = error as { errors?: Error[] };
  return errors?.map(({ message }) => message).join("; ") ?? error.message;
}
