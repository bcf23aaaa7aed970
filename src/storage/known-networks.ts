import type { Database } from "./database.js";

/** Notes that the user has signed in from there. */
export async function rememberNetwork(
  db: Database,
  { userId, network, until }: { userId: string; network: string; until: number },
): Promise<void> {
  await db
    .insertInto("known_networks")
    .values({ user_id: userId, network, expires_at: until })
    .onConflict((conflict) => conflict.columns(["user_id", "network"]).doUpdateSet({ expires_at: until }))
    .execute();
}

/** Whether the user has signed in from there. */
export async function isKnownNetwork(
  db: Database,
  { userId, network, now }: { userId: string; network: string; now: number },
): Promise<boolean> {
  const row = await db
    .selectFrom("known_networks")
    .select("network")
    .where("user_id", "=", userId)
    .where("network", "=", network)
    .where("expires_at", ">", now)
    .executeTakeFirst();
  return row !== undefined;
}

/** Forgets where the user has signed in from. */
export async function forgetNetworks(db: Database, userId: string): Promise<void> {
  await db.deleteFrom("known_networks").where("user_id", "=", userId).execute();
}

/** @returns how many were removed, up to the limit */
export async function deleteKnownNetworksExpiredBefore(
  db: Database,
  before: number,
  limit: number,
): Promise<number> {
  const over = db
    .selectFrom("known_networks")
    .select(["user_id", "network"])
    .where("expires_at", "<", before)
    .limit(limit);
  const result = await db
    .deleteFrom("known_networks")
    .where("expires_at", "<", before)
    .where(({ eb, refTuple }) =>
      eb(refTuple("user_id", "network"), "in", over.$asTuple("user_id", "network")),
    )
    .executeTakeFirst();
  return Number(result.numDeletedRows);
}
