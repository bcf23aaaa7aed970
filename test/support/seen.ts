import { appendFileSync } from "node:fs";

/** What no answer and no log may contain: passwords of the tests, which start with CANARY, and bcrypt hashes. */
export const SECRETS = /CANARY|\$2[aby]\$\d\d\$/;

/** Records an answer or a log line for the check at the end of the run, in global-teardown.ts. */
export function keepSeen(text: string): void {
  const file = process.env["TEST_SEEN"];
  // Not set if a script starts a program outside the tests.
  if (file !== undefined) appendFileSync(file, `${text}\n`);
}
