import { execFileSync } from "node:child_process";
import { cpus } from "node:os";

/** Of the machine, not of this process: that may be kept on some of them. */
export const CORE_COUNT = cpus().length;
const last = CORE_COUNT - 1;
if (last < 1) throw new Error("two cores are needed: one for the server and one for the load");

/** Lists of cores as `taskset -c` takes them. */
export const SERVER_CORE = "0";
/** Where the load generator and PostgreSQL run, too: they inherit it from this process. */
const OTHER_CORES = `1-${last}`;
export const ALL_CORES = `0-${last}`;

/** Keeps this process, and what it starts, off the server's core. */
export function leaveServerCore(): void {
  execFileSync("taskset", ["-a", "-c", "-p", OTHER_CORES, String(process.pid)], { stdio: "ignore" });
}
