import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Scope } from "./scope.ts";

const READY_WITHIN = 60_000;
const STOPPED_WITHIN = 10_000;

/** Clock ticks a second in /proc. */
const TICKS = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

export interface Command {
  command: string;
  args: string[];
  env: NodeJS.ProcessEnv;
  cwd: string;
  /** The cores it may use, as `taskset -c` takes them; by default those of this process. */
  cores?: string | undefined;
}

export interface ServerProcess {
  pid: number;
  child: ChildProcess;
  /** Such as http://127.0.0.1:4321. */
  origin: string;
}

/**
 * Starts a server that listens on the port in its environment's `PORT`, and waits until `path` answers
 * with 2xx. Its output goes to a file. `{PORT}` in the arguments is replaced.
 */
export async function startServerProcess(
  scope: Scope,
  { command, args, env, cwd, cores }: Command,
  path: string,
  init: RequestInit = {},
): Promise<ServerProcess> {
  const port = await freePort();
  const outputFile = join(scope.directory(), "output");
  const output = openSync(outputFile, "w");
  const pinned = cores === undefined ? [] : ["taskset", "-c", cores];
  const [program = "", ...rest] = [...pinned, command, ...args];
  const withPort = rest.map((arg) => arg.replace("{PORT}", String(port)));
  const child = spawn(program, withPort, {
    cwd,
    env: { PATH: process.env["PATH"], NODE_ENV: "production", PORT: String(port), ...env },
    stdio: ["ignore", output, output],
    // A Ctrl-C in the terminal is for this process, which then stops the others in order.
    detached: true,
  });
  scope.onClose(() => stop(child));
  const origin = `http://127.0.0.1:${port}`;
  const deadline = performance.now() + READY_WITHIN;
  while (
    !(await fetch(`${origin}${path}`, init)
      .then(({ ok }) => ok)
      .catch(() => false))
  ) {
    if (hasEnded(child) || performance.now() > deadline) {
      throw new Error(`${[command, ...args].join(" ")} did not start:\n${readFileSync(outputFile, "utf8")}`);
    }
    await setTimeout(50);
  }
  return { pid: child.pid!, child, origin };
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

async function stop(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const deadline = setTimeout(STOPPED_WITHIN, "late", { ref: false });
  if ((await Promise.race([ended, deadline])) === "late") child.kill("SIGKILL");
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

interface ProcessStat {
  parent: number;
  /** User and system time in clock ticks. */
  ticks: number;
}

/** Undefined when the process has ended. */
function statOf(pid: number): ProcessStat | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the name in parentheses, which may hold anything.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) };
  } catch {
    return undefined;
  }
}

/** The process and its descendants. */
function treeOf(root: number): number[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const children = Map.groupBy(pids.map(Number), (pid) => statOf(pid)?.parent);
  const descendants = (pid: number): number[] => [pid, ...(children.get(pid) ?? []).flatMap(descendants)];
  return descendants(root);
}

/** The CPU time that the process and its descendants have used so far, in microseconds. */
export function cpuOf(pid: number): number {
  const ticks = treeOf(pid).reduce((sum, member) => sum + (statOf(member)?.ticks ?? 0), 0);
  return (ticks / TICKS) * 1_000_000;
}

/** The resident memory of the process and its descendants in MB, and the most each ever had. */
export function memoryOf(pid: number): { now: number; most: number } {
  const sum = { now: 0, most: 0 };
  for (const member of treeOf(pid)) {
    const status = readFileSync(`/proc/${member}/status`, "utf8");
    const megabytes = (name: string) =>
      Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024);
    sum.now += megabytes("VmRSS");
    sum.most += megabytes("VmHWM");
  }
  return sum;
}
