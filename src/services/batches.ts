import { setImmediate } from "node:timers/promises";

/** Rows per statement: SQLite runs a statement on the thread that answers requests. */
const BATCH = 200;

/**
 * Works through any number of rows in batches, and lets requests be answered in between.
 * @param work handles up to `limit` rows, and returns whether there may be more
 */
export async function inBatches(work: (limit: number) => Promise<boolean>): Promise<void> {
  while (await work(BATCH)) await setImmediate();
}
