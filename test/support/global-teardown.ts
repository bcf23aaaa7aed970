import { readFileSync, rmSync } from "node:fs";
import { SECRETS } from "./seen.ts";

/** Stops PostgreSQL, and looks for secrets in every answer and log line of the whole run. */
export default async function globalTeardown(): Promise<void> {
  await (globalThis as unknown as { stopPostgres(): Promise<void> }).stopPostgres();
  const file = `${process.env["TEST_SEEN"]}`;
  const lines = readFileSync(file, "utf8").split("\n");
  rmSync(file);
  const leaks = lines.filter((line) => SECRETS.test(line));
  if (leaks.length > 0) throw new Error(`secrets were answered or logged: ${leaks.slice(0, 10).join("\n")}`);
  process.stdout.write(`No secret in ${lines.length} lines of answers and logs.\n`);
}
