import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { ALL_CORES, CORE_COUNT } from "../harness/cores.ts";
import { type Latchkey, signIn, startLatchkey } from "../harness/latchkey.ts";
import { type Contestant, inTurns, measure, type Sample } from "../harness/load.ts";
import {
  type Bench,
  compared,
  LATCHKEY,
  type Section,
  standingOf,
  standingsTable,
} from "../harness/section.ts";

const COST = 12;
/** Enough that a password always waits for every core. */
const CLIENTS = CORE_COUNT * 4;
const BARE = `${CORE_COUNT} bare bcrypt processes`;

function loginContestant(name: string, server: Latchkey): Contestant {
  return {
    name,
    turn: (seconds) =>
      measure(server.pid, async () => {
        const end = performance.now() + seconds * 1000;
        let count = 0;
        const signInUntilEnd = async (n: number) => {
          while (performance.now() < end) {
            await signIn(server.url, `user${n}`, `192.0.2.${n + 1}`);
            count++;
          }
        };
        await Promise.all(Array.from({ length: CLIENTS }, (_, n) => signInUntilEnd(n)));
        return count;
      }),
  };
}

const bare: Contestant = {
  name: BARE,
  async turn(seconds) {
    const script = resolve("bench/harness/passwords.ts");
    const args = ["-c", ALL_CORES, process.execPath, script, String(COST), String(seconds)];
    const runs = Array.from({ length: CORE_COUNT }, () => promisify(execFile)("taskset", args));
    const samples = (await Promise.all(runs)).map(({ stdout }) => JSON.parse(stdout) as Sample);
    const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
    return {
      rate: sum(samples.map(({ rate }) => rate)),
      cpu: sum(samples.map(({ cpu }) => cpu)) / CORE_COUNT,
    };
  },
};

/** Correct logins on all cores against as many processes that only run bcrypt. */
export async function measureLogins(bench: Bench): Promise<Section> {
  const server = await startLatchkey(bench.scope, {
    users: CLIENTS,
    cost: COST,
    cores: ALL_CORES,
    env: { TRUST_PROXY: "loopback" },
  });
  const standings = await inTurns([loginContestant(LATCHKEY, server), bare], bench);
  return {
    title: `Logins at cost ${COST} on all cores`,
    ...standingsTable(standings, standingOf(standings, LATCHKEY)!),
    findings: compared(standings, [LATCHKEY, BARE], {
      measure: "logins/s, all cores, against as many bare bcrypt processes as there are cores",
      least: 0.9,
    }),
    notes: [],
  };
}
