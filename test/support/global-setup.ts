import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
// Node loads this file, and does not resolve .js to .ts.
import { startPostgres } from "./postgres.ts";

/** What the run undoes when it ends. */
export interface Run {
  stopPostgres(): Promise<void>;
  removeDirectory(): void;
}

declare global {
  var testRun: Run | undefined;
}

/**
 * Prepares a run: one temporary directory for every file that a test or a program writes, and one real PostgreSQL in
 * which every app has a database of its own.
 */
export default async function globalSetup(): Promise<void> {
  const outside = tmpdir();
  const directory = mkdtempSync(join(outside, "latchkey-test-"));
  const removeDirectory = () => {
    process.env["TMPDIR"] = outside;
    rmSync(directory, { recursive: true, force: true });
  };
  // Jest does not call the teardown when the setup fails or the run is interrupted.
  process.once("exit", removeDirectory);
  // PostgreSQL refuses to run as root, and its own user needs access to its data.
  chmodSync(directory, 0o711);
  process.env["TMPDIR"] = directory;
  // Node strips the types of the password worker once, not for every thread.
  process.env["NODE_COMPILE_CACHE"] = join(directory, "compile-cache");
  process.env["TEST_SEEN"] = join(directory, "seen");
  writeFileSync(process.env["TEST_SEEN"], "");
  const { url, remove } = await startPostgres();
  process.env["TEST_POSTGRES_URL"] = url;
  globalThis.testRun = { stopPostgres: remove, removeDirectory };
}
