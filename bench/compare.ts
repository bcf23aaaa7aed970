/** Compares Latchkey with its peers, and with itself: see README.md. Prints the figures and writes RESULTS.md. */
import { writeFileSync } from "node:fs";
import { buildCommit } from "./harness/base.ts";
import { leaveServerCore } from "./harness/cores.ts";
import { readOptions } from "./harness/options.ts";
import { goalsTable, resultsDocument, sectionText } from "./harness/report.ts";
import { closeOnSignal, withScope } from "./harness/scope.ts";
import type { Bench, Section } from "./harness/section.ts";
import { measureItems } from "./rows/items.ts";
import { measureLatency } from "./rows/latency.ts";
import { measureLogins } from "./rows/logins.ts";
import { measureMe } from "./rows/me.ts";
import { measureMemory } from "./rows/memory.ts";
import { measureRefreshes, measureRefreshesOnPostgres } from "./rows/refreshes.ts";
import { measureScale } from "./rows/scale.ts";
import { measureWorkers } from "./rows/workers.ts";

const ROWS: Record<string, (bench: Bench) => Promise<Section>> = {
  me: measureMe,
  items: measureItems,
  refreshes: measureRefreshes,
  "refreshes-postgres": measureRefreshesOnPostgres,
  logins: measureLogins,
  latency: measureLatency,
  scale: measureScale,
  workers: measureWorkers,
  memory: measureMemory,
};

const options = readOptions(Object.keys(ROWS));
leaveServerCore();
closeOnSignal();

await withScope(async (outer) => {
  const baseDist = options.base === undefined ? undefined : buildCommit(outer, options.base);
  const sections: Section[] = [];
  for (const name of options.only) {
    console.log(`${name} …`);
    const { rounds, seconds, large } = options;
    const section = await withScope((scope) => ROWS[name]!({ scope, rounds, seconds, large, baseDist }));
    console.log(`\n${sectionText(section)}`);
    sections.push(section);
  }
  if (sections.some(({ findings }) => findings.length > 0)) console.log(goalsTable(sections));
  writeFileSync("bench/RESULTS.md", resultsDocument(sections, options));
});
