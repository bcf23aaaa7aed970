import type { ExpressionBuilder } from "kysely";
import type { Database } from "./database.js";
import type { Tables } from "./tables.js";

/** The tables that have few rows of a user. */
const OF_DELETED_USER = [
  "credentials",
  "one_time_tokens",
  "totp_secrets",
  "recovery_codes",
  "passkeys",
  "challenges",
] as const;

/**
 * Deletes a user: from now on no function finds them, and their username and email address are free. The row stays,
 * without personal data, until `purgeDeletedUser` has removed the rows that can be too many for one transaction.
 */
export async function deleteUser(transaction: Database, id: string, now: number): Promise<void> {
  await transaction
    .updateTable("users")
    .set({
      // Never a valid username: those are shorter.
      username: id,
      email: "",
      email_verified_at: null,
      full_name: null,
      roles: "[]",
      mfa_methods: "",
      updated_at: now,
      deleted_at: now,
    })
    .where("id", "=", id)
    .execute();
  for (const table of OF_DELETED_USER) {
    await transaction.deleteFrom(table).where("user_id", "=", id).execute();
  }
}

export async function listDeletedUserIds(db: Database, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom("users")
    .select("id")
    .where("deleted_at", "is not", null)
    .limit(limit)
    .execute();
  return rows.map(({ id }) => id);
}

/**
 * Removes up to `limit` rows that belong to a deleted user, and the user once there are none left.
 * @returns whether the user has been removed
 */
export async function purgeDeletedUser(db: Database, id: string, limit: number): Promise<boolean> {
  const sessions = db.selectFrom("sessions").select("id").where("user_id", "=", id);
  const left = [
    db.deleteFrom("sessions").where("id", "in", sessions.limit(limit)),
    db
      .deleteFrom("items")
      .where("id", "in", (query) =>
        query.selectFrom("items").select("id").where("owner_id", "=", id).limit(limit),
      ),
  ];
  for (const rows of left) {
    const { numDeletedRows } = await rows.executeTakeFirst();
    if (numDeletedRows > 0n) return false;
  }
  await db.deleteFrom("users").where("id", "=", id).where("deleted_at", "is not", null).execute();
  return true;
}

/**
 * Removes up to `limit` accounts that were created before a time, never verified their address, and have no one-time
 * token: an invitation or a verification link that still works must not lead nowhere.
 * @returns how many
 */
export async function deleteUnverifiedUsersBefore(
  db: Database,
  before: number,
  limit: number,
): Promise<number> {
  const isAbandoned = (where: ExpressionBuilder<Tables, "users">) =>
    where.and([
      where("email_verified_at", "is", null),
      where("deleted_at", "is", null),
      where("created_at", "<", before),
      where.not(
        where.exists(
          where
            .selectFrom("one_time_tokens")
            .select("token_hash")
            .whereRef("one_time_tokens.user_id", "=", "users.id"),
        ),
      ),
    ]);
  // In two statements: as one, PostgreSQL may choose a plan that compares every pair of accounts.
  const abandoned = await db.selectFrom("users").select("id").where(isAbandoned).limit(limit).execute();
  if (abandoned.length === 0) return 0;
  await db
    .deleteFrom("users")
    // An account verified in the meantime stays: see deleteSessionsEndedBefore.
    .where(isAbandoned)
    .where(
      "id",
      "in",
      abandoned.map(({ id }) => id),
    )
    .execute();
  return abandoned.length;
}
