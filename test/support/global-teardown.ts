import { readFileSync } from "node:fs";
import { SECRETS } from "./seen.ts";

/** Stops PostgreSQL, and searches every response and log line of the run for secrets. */
export default async function globalTeardown(): Promise<void> {
  const { stopPostgres, removeDirectory } = globalThis.testRun!;
  await stopPostgres();
  const lines = readFileSync(`${process.env["TEST_SEEN"]}`, "utf8").split("\n");
  removeDirectory();
  const leaks = lines.filter((line) => SECRETS.test(line));
  if (leaks.length > 0) throw new Error(`secrets in responses or logs: ${leaks.slice(0, 10).join("\n")}`);
  process.stdout.write(`No secret in ${lines.length} lines of responses and logs.\n`);
}
