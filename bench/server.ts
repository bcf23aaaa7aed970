import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

export interface Server {
  child: ChildProcess;
  /** Of /graphql. */
  url: string;
  /** The password of `johndoe`. */
  password: string;
}

/** A hash of bcrypt's default cost here, of a password nobody knows. */
const HASH = "$2b$12$2b0/CkJBjlLZxLnPTKTyXOSWq3T3gYwOJ1Z8mBBeVXV0nhTZn6uTm";

/**
 * Starts the built program as for development, over a SQLite database of its own. Each request can be from a source
 * of its own, by `X-Forwarded-For`.
 * @param users how many there are besides `johndoe`: `user0`, `user1`, …, at example.com
 * @param hash of their password; by default of one that nobody knows
 */
export async function startServer({ users = 0, hash = HASH } = {}): Promise<Server> {
  const directory = mkdtempSync(join(tmpdir(), "latchkey-bench-"));
  const options = {
    cwd: directory,
    env: {
      DATABASE_URL: `sqlite:${join(directory, "latchkey.db")}`,
      HOST: "127.0.0.1",
      PORT: "0",
      LOG_LEVEL: "warn",
      TRUST_PROXY: "loopback",
    },
  };
  const child = spawn(process.execPath, [resolve("dist/main.js")], {
    ...options,
    stdio: ["ignore", "pipe", "inherit"],
  });
  process.once("exit", () => child.kill());
  let url: string | undefined;
  let password: string | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    url ??= /ready at (\S+)/.exec(line)?.[1];
    password ??= /password: (\S+)/.exec(line)?.[1];
    if (url && password) break;
  }
  if (!url || !password) throw new Error("the server did not start");
  child.stdout.resume();
  if (users > 0) {
    const lines = Array.from({ length: users }, (_, n) =>
      JSON.stringify({ username: `user${n}`, email: `user${n}@example.com`, password_hash: hash }),
    );
    const file = join(directory, "users.jsonl");
    writeFileSync(file, lines.join("\n"));
    execFileSync(process.execPath, [resolve("dist/cli.js"), "user", "import", file], options);
  }
  return { child, url, password };
}

export const median = (times: number[]) => quantile(times, 0.5);

export function quantile(times: number[], part: number): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * part)] ?? Number.NaN;
}
