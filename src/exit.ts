import { ConfigError } from "./config.js";
import { LatchkeyError } from "./errors.js";
import { WrongSecretKeyError } from "./services/signing-keys.js";

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

function messageOf(error: Error): string {
  // Connecting to several addresses of one host fails with one error for each, and no message of its own.
  if (error instanceof AggregateError) return error.errors.map((each: Error) => each.message).join("; ");
  return error.message;
}
