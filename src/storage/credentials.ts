import type { Database } from "./database.js";

export async function findPasswordHash(db: Database, userId: string): Promise<string | undefined> {
  const row = await db
    .selectFrom("credentials")
    .select("password_hash")
    .where("user_id", "=", userId)
    .executeTakeFirst();
  return row?.password_hash;
}

export async function setPasswordHash(
  db: Database,
  userId: string,
  hash: string,
  now: number,
): Promise<void> {
  await db
    .insertInto("credentials")
    .values({ user_id: userId, password_hash: hash, updated_at: now })
    .onConflict((conflict) =>
      conflict.column("user_id").doUpdateSet({ password_hash: hash, updated_at: now }),
    )
    .execute();
}

/** Replaces a hash with another of the same password, unless the password was changed meanwhile. */
export async function replacePasswordHash(
  db: Database,
  userId: string,
  { from, to, now }: { from: string; to: string; now: number },
): Promise<void> {
  await db
    .updateTable("credentials")
    .set({ password_hash: to, updated_at: now })
    .where("user_id", "=", userId)
    .where("password_hash", "=", from)
    .execute();
}
