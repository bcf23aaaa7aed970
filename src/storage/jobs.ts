import type { Database } from "./database.js";

/**
 * Takes a job until a time, unless another process has it.
 * @returns whether it is ours: of any number of callers at once, one gets true
 */
export async function takeJob(
  db: Database,
  name: string,
  { now, until }: { now: number; until: number },
): Promise<boolean> {
  await db
    .insertInto("jobs")
    .values({ name, locked_until: 0 })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const result = await db
    .updateTable("jobs")
    .set({ locked_until: until })
    .where("name", "=", name)
    .where("locked_until", "<=", now)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** Leaves the job to whoever comes first after a time, unless it was taken over meanwhile. */
export async function releaseJob(
  db: Database,
  name: string,
  { taken, until }: { taken: number; until: number },
): Promise<void> {
  await db
    .updateTable("jobs")
    .set({ locked_until: until })
    .where("name", "=", name)
    .where("locked_until", "=", taken)
    .execute();
}
