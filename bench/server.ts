import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

export interface Server {
  child: ChildProcess;
  /** Of /graphql. */
  url: string;
  /** The password of `johndoe`. */
  password: string;
  /** The SQLite database. */
  file: string;
}

/** Of `johndoe` where the program makes none, and its SECRET_KEY. */
const PASSWORD = "five wholly unrelated words here";

/** A hash of bcrypt's default cost here, of a password nobody knows. */
const HASH = "$2b$12$2b0/CkJBjlLZxLnPTKTyXOSWq3T3gYwOJ1Z8mBBeVXV0nhTZn6uTm";

/**
 * Starts the built program as for development, over a SQLite database of its own. Each request can be from a source
 * of its own, by `X-Forwarded-For`.
 * @param users how many there are besides `johndoe`: `user0`, `user1`, …, at example.com
 * @param hash of their password; by default of one that nobody knows
 * @param heap starts it as in production, with this limit of its heap in MB
 */
export async function startServer({
  users = 0,
  hash = HASH,
  heap,
}: {
  users?: number;
  hash?: string;
  heap?: number;
} = {}): Promise<Server> {
  const directory = mkdtempSync(join(tmpdir(), "latchkey-bench-"));
  const file = join(directory, "latchkey.db");
  const options = {
    cwd: directory,
    env: {
      DATABASE_URL: `sqlite:${file}`,
      HOST: "127.0.0.1",
      PORT: "0",
      LOG_LEVEL: heap ? "info" : "warn",
      TRUST_PROXY: "loopback",
      ...(heap && { NODE_ENV: "production", PUBLIC_URL: "http://127.0.0.1", SECRET_KEY: PASSWORD }),
    },
  };
  const args = ["user", "create", "johndoe", "--email", "johndoe@example.com"];
  if (heap)
    execFileSync(process.execPath, [resolve("dist/cli.js"), ...args], { ...options, input: `${PASSWORD}\n` });
  const flags = heap ? [`--max-old-space-size=${heap}`] : [];
  const child = spawn(process.execPath, [...flags, resolve("dist/main.js")], {
    ...options,
    stdio: ["ignore", "pipe", "inherit"],
  });
  process.once("exit", () => child.kill());
  let url: string | undefined;
  let password = heap ? PASSWORD : undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    url ??= /ready at (\S+)/.exec(line)?.[1];
    const address = /Server listening at (http:[^"]+)"/.exec(line)?.[1];
    if (address) url ??= `${address}/graphql`;
    password ??= /password: (\S+)/.exec(line)?.[1];
    if (url && password) break;
  }
  if (!url || !password) throw new Error("the server did not start");
  child.stdout.resume();
  if (users > 0) {
    const lines = Array.from({ length: users }, (_, n) =>
      JSON.stringify({ username: `user${n}`, email: `user${n}@example.com`, password_hash: hash }),
    );
    const list = join(directory, "users.jsonl");
    writeFileSync(list, lines.join("\n"));
    execFileSync(process.execPath, [resolve("dist/cli.js"), "user", "import", list], options);
  }
  return { child, url, password, file };
}

/** The resident set size of a process in MB, and the most it ever was. */
export function memoryOf({ pid }: ChildProcess): { now: number; most: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const megabytes = (name: string) =>
    Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024);
  return { now: megabytes("VmRSS"), most: megabytes("VmHWM") };
}

export const median = (times: number[]) => quantile(times, 0.5);

export function quantile(times: number[], part: number): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * part)] ?? Number.NaN;
}
