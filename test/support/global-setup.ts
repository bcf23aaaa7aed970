import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
// Jest loads this file as Node does, which knows no other name for it.
import { startPostgres } from "./postgres.ts";

/** One real PostgreSQL for the whole run; every app of a test has a database of its own in it. */
export default async function globalSetup(): Promise<void> {
  const { url, remove } = await startPostgres();
  process.env["TEST_POSTGRES_URL"] = url;
  process.env["TEST_SEEN"] = join(tmpdir(), `latchkey-seen-${randomUUID()}`);
  writeFileSync(process.env["TEST_SEEN"], "");
  (globalThis as Record<string, unknown>)["stopPostgres"] = remove;
}
