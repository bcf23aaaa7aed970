import { isNativeError } from "node:util/types";
import type { Logger } from "pino";
import { ConfigError } from "./config.js";
import { LatchkeyError } from "./errors.js";
import { WrongSecretKeyError } from "./services/keys/private-keys.js";

/**
 * SQLSTATEs that tell of the server, of who connects or of their rights, and not of a statement: connection, authorization,
 * no such database, resources, the server's operator, its system; a read-only transaction, insufficient privilege.
 */
const FORESEEN_SQLSTATES = /^((08|28|3D|53|57|58)...|25006|42501)$/;

/** SQLite's result codes that tell of the file, and not of a statement. */
const FORESEEN_SQLITE_CODES = /^SQLITE_(BUSY|CANTOPEN|CORRUPT|FULL|IOERR|NOTADB|PERM|READONLY)/;

/**
 * Names the variable that what failed was set by: the system's own message does not.
 * @throws ConfigError; or the error itself when it is a mistake in the program or in SQL
 */
export async function blame<T>(variable: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    // What is no class of its own was said by a part that did what the variable asks for, such as TLS or pg's timeouts.
    if (!isNativeError(error) || !(isForeseen(error) || error.name === "Error")) throw error;
    throw new ConfigError(`${variable} cannot be used: ${messageOf(error)}`, { cause: error });
  }
}

/** Ends the process with code 1 and what `lastWords` says. */
export function exitWithMessage(error: unknown): never {
  process.stderr.write(`latchkey: ${lastWords(error)}\n`);
  process.exit(1);
}

/** Why the process ends: one line for what is foreseen, a stack trace for everything else. */
export function lastWords(error: unknown): string {
  if (!isNativeError(error)) return String(error);
  return isForeseen(error) ? messageOf(error) : (error.stack ?? error.message);
}

/** Whether the operator can do something about it: a setting, a refusal, or what the system or the database answered. */
function isForeseen(error: Error): boolean {
  if (
    error instanceof ConfigError ||
    error instanceof LatchkeyError ||
    error instanceof WrongSecretKeyError
  ) {
    return true;
  }
  const { code = "", syscall, errors } = error as { code?: string; syscall?: string; errors?: Error[] };
  // Only what the system answered names its call: no such file, port in use, connection refused, unknown host, …
  if (syscall !== undefined || errors?.every(isForeseen)) return true;
  return FORESEEN_SQLSTATES.test(code) || FORESEEN_SQLITE_CODES.test(code);
}

/**
 * The last resort for an error that nobody handled: a process in an unknown state answers nobody. It is logged as any
 * other, and the process ends with code 1, for whoever supervises it to start the next.
 */
export function exitOnUnforeseenError(logger: Logger): void {
  // Also for a promise that nobody awaited: Node throws what it was rejected with.
  process.on("uncaughtException", (err) => {
    logger.fatal({ err }, "an error that nobody handled: stopping");
    process.exit(1);
  });
}

function messageOf(error: Error): string {
  // Connecting to several addresses of one host fails with one error for each, and no message of its own.
  const { errors } = error as { errors?: Error[] };
  return errors?.map(({ message }) => message).join("; ") ?? error.message;
}
