/**
 * Profiles Latchkey while it answers `me`, and prints where its main thread spends its busy time: by npm package, folder of
 * dist or part of Node. Usage: profile.ts [--seconds N] [--dist DIRECTORY] [--document DOCUMENT]
 * [--save FILE.cpuprofile], which Chrome DevTools open
 */
import { writeFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { leaveServerCore, SERVER_CORE } from "./harness/cores.ts";
import { startLatchkey } from "./harness/latchkey.ts";
import { freePort } from "./harness/processes.ts";
import { type Profile, profileDuring } from "./harness/profiler.ts";
import { closeOnSignal, withScope } from "./harness/scope.ts";
import { latchkeyContestant, ME } from "./rows/me.ts";

const PACKAGES = 30;
const FUNCTIONS = 20;

/** What a frame counts to; undefined for native code, which counts to its caller. */
function partOf(
  { functionName, url }: Profile["nodes"][number]["callFrame"],
  dist: string,
): string | undefined {
  if (url === "") return functionName.startsWith("(") ? functionName : undefined;
  if (url.startsWith("node:")) return url;
  const path = url.startsWith("file:") ? fileURLToPath(url) : url;
  const name = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1];
  return name ?? `dist/${relative(dist, dirname(path))}`;
}

/** Self time in microseconds, by part and by function. */
function selfTimes({ nodes, samples, timeDeltas }: Profile, dist: string) {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])));
  const parts = new Map<string, number>();
  const functions = new Map<string, number>();
  samples.forEach((id, n) => {
    const frame = byId.get(id)!.callFrame;
    let part: string | undefined;
    for (let at: number | undefined = id; part === undefined && at !== undefined; at = parents.get(at))
      part = partOf(byId.get(at)!.callFrame, dist);
    if (part === "(idle)") return;
    const time = timeDeltas[n] ?? 0;
    const name = `${part}: ${frame.functionName || "(anonymous)"}`;
    parts.set(part ?? "", (parts.get(part ?? "") ?? 0) + time);
    functions.set(name, (functions.get(name) ?? 0) + time);
  });
  return { parts, functions };
}

function printTimes(title: string, times: Map<string, number>, count: number, requests: number): void {
  const all = [...times.values()].reduce((sum, time) => sum + time, 0);
  console.log(`\n${title}\n    %   µs per request`);
  for (const [name, time] of [...times].toSorted(([, a], [, b]) => b - a).slice(0, count)) {
    const share = ((100 * time) / all).toFixed(1).padStart(5);
    console.log(`${share}   ${(time / requests).toFixed(1).padStart(6)}   ${name}`);
  }
}

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "10" },
    dist: { type: "string", default: "dist" },
    document: { type: "string", default: ME },
    save: { type: "string" },
  },
});
const seconds = Number(values.seconds);
const dist = resolve(values.dist);
leaveServerCore();
closeOnSignal();

await withScope(async (scope) => {
  const port = await freePort();
  const server = await startLatchkey(scope, {
    dist,
    cores: SERVER_CORE,
    flags: [`--inspect=127.0.0.1:${port}`],
  });
  const contestant = latchkeyContestant("me", server, values.document);
  await contestant.turn(seconds);
  let rate = 0;
  let cpu = 0;
  const profile = await profileDuring(port, async () => {
    ({ rate, cpu } = await contestant.turn(seconds));
  });
  if (values.save !== undefined) writeFileSync(values.save, JSON.stringify(profile));
  const { parts, functions } = selfTimes(profile, dist);
  console.log(`${rate.toFixed(0)} requests/s while profiled, ${cpu.toFixed(0)} µs of CPU each, all threads`);
  printTimes("Self time of the main thread by package", parts, PACKAGES, rate * seconds);
  printTimes(
    "By function; native code is named with its caller's package",
    functions,
    FUNCTIONS,
    rate * seconds,
  );
});
