import type { Database } from "./database.js";

/** Notes that the user has signed in from there. */
export async function rememberSource(
  db: Database,
  { userId, source, until }: { userId: string; source: string; until: number },
): Promise<void> {
  await db
    .insertInto("known_sources")
    .values({ user_id: userId, source, expires_at: until })
    .onConflict((conflict) => conflict.columns(["user_id", "source"]).doUpdateSet({ expires_at: until }))
    .execute();
}

/** Whether the user has signed in from there. */
export async function isKnownSource(
  db: Database,
  { userId, source, now }: { userId: string; source: string; now: number },
): Promise<boolean> {
  const row = await db
    .selectFrom("known_sources")
    .select("source")
    .where("user_id", "=", userId)
    .where("source", "=", source)
    .where("expires_at", ">", now)
    .executeTakeFirst();
  return row !== undefined;
}

/** Forgets where the user has signed in from. */
export async function forgetSources(db: Database, userId: string): Promise<void> {
  await db.deleteFrom("known_sources").where("user_id", "=", userId).execute();
}

/** @returns how many were removed, up to the limit */
export async function deleteSourcesExpiredBefore(
  db: Database,
  before: number,
  limit: number,
): Promise<number> {
  const over = db
    .selectFrom("known_sources")
    .select(["user_id", "source"])
    .where("expires_at", "<", before)
    .limit(limit);
  const result = await db
    .deleteFrom("known_sources")
    .where("expires_at", "<", before)
    .where(({ eb, refTuple }) => eb(refTuple("user_id", "source"), "in", over.$asTuple("user_id", "source")))
    .executeTakeFirst();
  return Number(result.numDeletedRows);
}
