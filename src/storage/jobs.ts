import type { Database } from "./database.js";

/**
 * Takes a job until a time, unless another process has it.
 * @returns whether this call took it: of concurrent calls, one returns true
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

/** Releases a job, to be taken again after a time, unless another process took it over meanwhile. */
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
