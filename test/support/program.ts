import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { resolve } from "node:path";
import { closeWithFile } from "./opened.ts";
import { keepSeen, SECRETS } from "./seen.ts";

/** What the built program needs to run, and nothing else of this process's own environment. */
const ENVIRONMENT = {
  PATH: process.env["PATH"],
  TMPDIR: process.env["TMPDIR"],
  // Most of a start is loading modules.
  NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"],
  NODE_ENV: "production",
  SECRET_KEY: "CANARY, the secret key of the tests' programs",
  PUBLIC_URL: "https://auth.example.com",
  APP_URL: "https://app.example.com",
  EMAIL_FROM: "Latchkey <no-reply@example.com>",
  BCRYPT_COST: "10",
  SHUTDOWN_DELAY_SECONDS: "0",
};

/** Unsets these: the server as on a first start, on a free port. */
export const UNCONFIGURED = {
  NODE_ENV: undefined,
  SECRET_KEY: undefined,
  PUBLIC_URL: undefined,
  APP_URL: undefined,
  EMAIL_FROM: undefined,
  BCRYPT_COST: undefined,
  PORT: "0",
};

/** What the server logs in production once it listens, with its address. */
export const LISTENING = /"msg":"Server listening at (http:[^"]+)"/;

export interface Ended {
  /** Null after a signal that the program did not handle. */
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Program {
  child: ChildProcess;
  /** Rejects when the output contains a secret. */
  ended: Promise<Ended>;
  stdout(): string;
  /** Resolves as soon as standard output matches, from this position on. */
  printed(pattern: RegExp, from?: number): Promise<RegExpExecArray>;
}

export interface ProgramOptions {
  env?: NodeJS.ProcessEnv;
  input?: string;
  cwd?: string;
  /** Starts it in a process group of its own, which all its descendants are in. */
  detached?: boolean;
}

/** Starts `dist/main.js` or `dist/cli.js` as a process of its own, in a directory without `.env`. */
export function startBuilt(name: "main" | "cli", args: string[] = [], options?: ProgramOptions): Program {
  return startProgram(process.execPath, [resolve(`dist/${name}.js`), ...args], { cwd: tmpdir(), ...options });
}

/** Starts `dist/main.js` on a free port. */
export function startMain(env: NodeJS.ProcessEnv): Program {
  return startBuilt("main", [], { env: { PORT: "0", ...env } });
}

/** Stops a program as a supervisor does. @returns its exit code */
export async function stop({ child, ended }: Program): Promise<number | null> {
  child.kill("SIGTERM");
  return (await ended).code;
}

/** Starts any other command, such as `npm`. */
export function startProgram(command: string, args: string[], options: ProgramOptions = {}): Program {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...ENVIRONMENT, ...options.env },
    detached: options.detached,
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text;
  });
  child.stdin.end(options.input);
  const forget = closeWithFile(() => kill(child, options.detached));
  const ended = once(child, "close").then(([code]) => {
    forget();
    keepSeen(stdout + stderr);
    if (SECRETS.test(stdout + stderr)) throw new Error(`a secret was printed: ${stdout}${stderr}`);
    return { code, stdout, stderr };
  });
  // A caller that does not wait for the end gets no unhandled rejection either.
  ended.catch(() => {});
  return {
    child,
    ended,
    stdout: () => stdout,
    async printed(pattern, from = 0) {
      for (;;) {
        const match = pattern.exec(stdout.slice(from));
        if (match) return match;
        const end = await Promise.race([once(child.stdout, "data").then(() => undefined), ended]);
        if (end !== undefined) throw new Error(`ended before it printed ${pattern}: ${JSON.stringify(end)}`);
      }
    },
  };
}

async function kill(child: ChildProcess, group = false): Promise<void> {
  if (group && child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  else child.kill("SIGKILL");
  await once(child, "close");
}

/** Runs one of the operator's commands to its end. */
export async function runCli(args: string[], options?: ProgramOptions): Promise<Ended> {
  return startBuilt("cli", args, options).ended;
}
