import type { Database } from "./database.js";

/**
 * Holds off every other transaction that changes who is an administrator, until this one ends.
 * @returns how many administrators can sign in
 */
export async function lockAdministrators(transaction: Database): Promise<number> {
  // Writing a row to itself locks it on either database.
  await transaction
    .updateTable("locks")
    .set({ name: "administrators" })
    .where("name", "=", "administrators")
    .execute();
  return countAdministrators(transaction);
}

/** How many administrators can sign in: an invited one without a password cannot. */
export async function countAdministrators(db: Database): Promise<number> {
  const { count } = await db
    .selectFrom("users")
    .innerJoin("credentials", "credentials.user_id", "users.id")
    .select((select) => select.fn.countAll<number | bigint | string>().as("count"))
    .where("roles", "like", '%"ADMIN"%')
    .where("disabled_at", "is", null)
    .where("email_verified_at", "is not", null)
    .executeTakeFirstOrThrow();
  return Number(count);
}
