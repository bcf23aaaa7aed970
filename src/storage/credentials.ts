import type { Database } from "./database.js";
import { PreparedQuery } from "./prepared-query.js";

const find = new PreparedQuery((db, { userId }: { userId: string }) =>
  db.selectFrom("credentials").select("password_hash").where("user_id", "=", userId),
);

export async function findPasswordHash(db: Database, userId: string): Promise<string | undefined> {
  return (await find.first(db, { userId }))?.password_hash;
}

const set = new PreparedQuery((db, { userId, hash, now }: { userId: string; hash: string; now: number }) =>
  db
    .insertInto("credentials")
    .values({ user_id: userId, password_hash: hash, updated_at: now })
    .onConflict((conflict) =>
      conflict.column("user_id").doUpdateSet((row) => ({
        password_hash: row.ref("excluded.password_hash"),
        updated_at: row.ref("excluded.updated_at"),
      })),
    ),
);

export async function setPasswordHash(
  db: Database,
  userId: string,
  hash: string,
  now: number,
): Promise<void> {
  await set.run(db, { userId, hash, now });
}

interface Replacement {
  from: string;
  to: string;
  now: number;
}

const replace = new PreparedQuery((db, { userId, from, to, now }: Replacement & { userId: string }) =>
  db
    .updateTable("credentials")
    .set({ password_hash: to, updated_at: now })
    .where("user_id", "=", userId)
    .where("password_hash", "=", from),
);

/** Replaces a hash with another of the same password, unless the password was changed meanwhile. */
export async function replacePasswordHash(
  db: Database,
  userId: string,
  replacement: Replacement,
): Promise<void> {
  await replace.run(db, { ...replacement, userId });
}
