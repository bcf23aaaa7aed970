import type { Database } from "./database.js";
import { PreparedQuery } from "./prepared-query.js";

interface RememberedNetwork {
  userId: string;
  network: string;
  until: number;
}

const remember = new PreparedQuery((db, { userId, network, until }: RememberedNetwork) =>
  db
    .insertInto("known_networks")
    .values({ user_id: userId, network, expires_at: until })
    .onConflict((conflict) =>
      conflict
        .columns(["user_id", "network"])
        .doUpdateSet((row) => ({ expires_at: row.ref("excluded.expires_at") })),
    ),
);

/** Remembers until a time that the user has signed in from this network. */
export async function rememberNetwork(db: Database, remembered: RememberedNetwork): Promise<void> {
  await remember.run(db, remembered);
}

const find = new PreparedQuery(
  (db, { userId, network, now }: { userId: string; network: string; now: number }) =>
    db
      .selectFrom("known_networks")
      .select("network")
      .where("user_id", "=", userId)
      .where("network", "=", network)
      .where("expires_at", ">", now),
);

/** Whether the user has signed in from this network. */
export async function isKnownNetwork(
  db: Database,
  sought: { userId: string; network: string; now: number },
): Promise<boolean> {
  return (await find.first(db, sought)) !== undefined;
}

const forget = new PreparedQuery((db, { userId }: { userId: string }) =>
  db.deleteFrom("known_networks").where("user_id", "=", userId),
);

/** Forgets a user's networks. */
export async function forgetNetworks(db: Database, userId: string): Promise<void> {
  await forget.run(db, { userId });
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
