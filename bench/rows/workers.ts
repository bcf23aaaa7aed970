import { readFileSync } from "node:fs";
import { ALL_CORES, CORE_COUNT } from "../harness/cores.ts";
import { startLatchkey } from "../harness/latchkey.ts";
import { inTurns } from "../harness/load.ts";
import {
  type Bench,
  compared,
  type Section,
  skipped,
  standingOf,
  standingsTable,
} from "../harness/section.ts";
import { latchkeyContestant, ME } from "./me.ts";

const TITLE = "Two workers against one";

/** `me` with two workers and with one, on all cores, the load generator beside them. */
export async function measureWorkers(bench: Bench): Promise<Section> {
  if (!readFileSync("dist/config.js", "utf8").includes('"WORKERS"'))
    return skipped(TITLE, "this build does not know WORKERS.");
  const contestants = [];
  for (const workers of ["1", "2"]) {
    const server = await startLatchkey(bench.scope, { cores: ALL_CORES, env: { WORKERS: workers } });
    contestants.push(latchkeyContestant(`WORKERS=${workers}`, server, ME));
  }
  const standings = await inTurns(contestants, bench);
  return {
    title: TITLE,
    ...standingsTable(standings, standingOf(standings, "WORKERS=2")!),
    findings: compared(standings, ["WORKERS=2", "WORKERS=1"], {
      measure: "`me` with 2 workers against 1",
      least: 1.6,
    }),
    notes:
      CORE_COUNT > 2
        ? []
        : ["The load generator needs one of the two cores: the goal is for two cores that are free."],
  };
}
