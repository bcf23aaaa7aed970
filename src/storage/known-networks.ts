import type { Database } from "./database.js";

/** Remembers until a time that the user has signed in from this network. */
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

/** Whether the user has signed in from this network. */
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

/** Forgets a user's networks. */
export async function forgetNetworks(db: Database, userId: string): Promise<void> {
  await db.deleteFrom("known_networks").where("user_id", "=", userId).execute();
}

/** Removes up to `limit` networks that expired before a time. @returns how many */
export async function deleteKnownNetworksExpiredBefore(
  db: Database,
  before: number,
  limit: number,
): Promise<number> {
  const expired = db
    .selectFrom("known_networks")
    .select(["user_id", "network"])
    .where("expires_at", "<", before)
    .limit(limit);
  const result = await db
    .deleteFrom("known_networks")
    .where("expires_at", "<", before)
    .where(({ eb, refTuple }) =>
      eb(refTuple("user_id", "network"), "in", expired.$asTuple("user_id", "network")),
    )
    .executeTakeFirst();
  return Number(result.numDeletedRows);
}
