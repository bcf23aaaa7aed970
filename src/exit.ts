import type { Logger } from "pino";
import { ConfigError } from "./config.js";
import { LatchkeyError } from "./errors.js";
import { WrongSecretKeyError } from "./services/private-keys.js";

/** Names the variable that what failed was set by: the system's own message does not. */
export async function blame<T>(variable: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new ConfigError(`${variable} cannot be used: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Ends the process with code 1 and a line that says why. Only what nobody foresaw has a stack trace.
 */
export function exitWithMessage(error: unknown): never {
  const foreseen =
    error instanceof ConfigError ||
    error instanceof LatchkeyError ||
    error instanceof WrongSecretKeyError ||
    // What the system or the database server answered: no such file, port in use, connection refused, …
    (error instanceof Error && "code" in error);
  process.stderr.write(
    `latchkey: ${foreseen ? messageOf(error) : error instanceof Error ? error.stack : error}\n`,
  );
  process.exit(1);
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
  if (error instanceof AggregateError) return error.errors.map((each: Error) => each.message).join("; ");
  return error.message;
}
