import { inTurns } from "../harness/load.ts";
import { PEERS, TUTORIAL } from "../harness/peers.ts";
import {
  type Bench,
  compared,
  LATCHKEY,
  type Section,
  standingOf,
  standingsTable,
} from "../harness/section.ts";
import { latchkeyContestant, peerContestant, startWithCopy } from "./me.ts";

const ITEMS = "{ myItems(first: 20) { id title description } }";
const COUNT = 20;

/** `myItems(first: 20)` against the tutorial stack, from the same rows. */
export async function measureItems(bench: Bench): Promise<Section> {
  const { server, expected, database } = await startWithCopy(bench, ITEMS, async (send) => {
    for (let n = 0; n < COUNT; n++)
      await send(
        `mutation { createItem(input: { title: "Item ${n}", description: "The item ${n}" }) { id } }`,
      );
  });
  const tutorial = await PEERS.find(({ name }) => name === TUTORIAL)?.start(bench.scope, database);
  const standings = await inTurns(
    [latchkeyContestant(LATCHKEY, server, ITEMS), await peerContestant(TUTORIAL, tutorial!, ITEMS, expected)],
    bench,
  );
  return {
    title: `\`myItems\`: ${ITEMS}`,
    ...standingsTable(standings, standingOf(standings, LATCHKEY)!),
    findings: compared(standings, [LATCHKEY, TUTORIAL], {
      measure: "`myItems(first: 20)` against the tutorial stack serving the same items",
      least: 2,
    }),
    notes: [],
  };
}
