import { setTimeout } from "node:timers/promises";
import { SERVER_CORE } from "../harness/cores.ts";
import { type Latchkey, login, startLatchkey } from "../harness/latchkey.ts";
import { memoryOf } from "../harness/processes.ts";
import { type Bench, figure, type Section } from "../harness/section.ts";
import { latchkeyContestant, ME } from "./me.ts";
import { CHEAP, REFRESHING, refreshContestant } from "./refreshes.ts";

const ITEMS = "{ myItems(first: 20) { id title } }";
const LARGE = { requests: 1_000_000, mixedSeconds: 600 };
/** The length of a piece of load, after which the memory is read, in seconds. */
const PIECE = 10;
const REST = 3_000;

async function loginWronglyUntil(url: string, end: number): Promise<void> {
  for (let n = 0; performance.now() < end; n++) {
    await login(url, `nobody${n}`, "wrong", `198.51.100.${n % 250}`);
    await setTimeout(200);
  }
}

/** Everything at once: `me`, lists, refreshes and wrong logins. */
async function mixedLoad(server: Latchkey) {
  const parts = [
    latchkeyContestant("me", server, ME),
    latchkeyContestant("items", server, ITEMS),
    await refreshContestant("refreshes", server),
  ];
  return async (seconds: number) => {
    const end = performance.now() + seconds * 1000;
    await Promise.all([loginWronglyUntil(server.url, end), ...parts.map((part) => part.turn(seconds))]);
  };
}

/** The resident memory at rest, after many `me`, and after a mixed load. */
export async function measureMemory({ scope, rounds, seconds, large }: Bench): Promise<Section> {
  const env = { ...CHEAP.env, TRUST_PROXY: "loopback" };
  const server = await startLatchkey(scope, { ...CHEAP, env, cores: SERVER_CORE, users: REFRESHING });
  await setTimeout(REST);
  const table: string[][] = [];
  const note = (when: string) => {
    const { now, most } = memoryOf(server.pid);
    table.push([when, String(now), String(most)]);
    console.log(`  ${when}: ${now} MB, at most ${most} MB`);
    return now;
  };
  const atRest = note("at rest");

  const me = latchkeyContestant("me", server, ME);
  const enough = large ? LARGE.requests : Number.POSITIVE_INFINITY;
  const end = large ? Number.POSITIVE_INFINITY : performance.now() + rounds * seconds * 1000;
  let sent = 0;
  while (sent < enough && performance.now() < end) {
    const piece = Math.min(PIECE, seconds);
    sent += (await me.turn(piece)).rate * piece;
  }
  const afterMe = note(`after ${figure(sent)} \`me\``);

  const mixed = await mixedLoad(server);
  const half = (large ? LARGE.mixedSeconds : rounds * seconds) / 2;
  await mixed(half);
  const afterHalf = note(`after ${half} s of mixed load`);
  await mixed(half);
  const afterAll = note(`after ${2 * half} s of mixed load`);
  return {
    title: "Memory",
    columns: ["when", "MB", "at most MB so far"],
    table,
    findings: [
      { measure: "memory at rest", value: atRest, unit: " MB", goal: { most: 150 } },
      { measure: "memory after `me`", value: afterMe, unit: " MB", goal: { most: 150 } },
      {
        measure: "memory after all of the mixed load against after half of it",
        value: afterAll / afterHalf,
        unit: "×",
        goal: { most: 1.1 },
      },
    ],
    notes: large ? [] : ["A short run: with --large there are 10⁶ `me` and 10 minutes of mixed load."],
  };
}
