import { appendFileSync } from "node:fs";

/** No answer and no log may hold it: the tests' passwords all begin with CANARY, and a bcrypt hash looks like this. */
export const SECRETS = /CANARY|\$2[aby]\$\d\d\$/;

/** Keeps what was answered or logged for the check at the end of the whole run, in global-teardown.ts. */
export function keepSeen(text: string): void {
  const file = process.env["TEST_SEEN"];
  // Not set where a script starts a program outside the tests.
  if (file !== undefined) appendFileSync(file, `${text}\n`);
}
