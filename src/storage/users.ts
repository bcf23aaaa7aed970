import { type ExpressionBuilder, type Selectable, sql } from "kysely";
import type { Database } from "./database.js";
import type { Tables, UserRow } from "./tables.js";

export const ROLES = ["USER", "ADMIN"] as const;
export type Role = (typeof ROLES)[number];

/** A person who can sign in. The password's hash is not part of it: see credentials.ts. */
export interface User {
  id: string;
  username: string;
  email: string;
  emailVerifiedAt: number | null;
  fullName: string | null;
  disabledAt: number | null;
  roles: Role[];
  createdAt: number;
  updatedAt: number;
}

export function toUser(row: Selectable<UserRow>): User {
  return {
    id: row.id,
    username: row.username,
    email: row.email,
    emailVerifiedAt: row.email_verified_at,
    fullName: row.full_name,
    disabledAt: row.disabled_at,
    roles: JSON.parse(row.roles) as Role[],
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

/** @returns false when the username or the email address is taken, and nothing was written */
export async function insertUser(db: Database, user: User): Promise<boolean> {
  const result = await db
    .insertInto("users")
    .values({
      id: user.id,
      username: user.username,
      email: user.email,
      email_verified_at: user.emailVerifiedAt,
      full_name: user.fullName,
      disabled_at: user.disabledAt,
      roles: JSON.stringify(user.roles),
      created_at: user.createdAt,
      updated_at: user.updatedAt,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return result.numInsertedOrUpdatedRows === 1n;
}

/**
 * The user, whom no other transaction changes or signs in until this one ends. Whatever writes about a user begins with
 * it: of two transactions that lock the same rows in another order, PostgreSQL aborts one.
 */
export async function lockUser(transaction: Database, id: string): Promise<User | undefined> {
  // Writing a row to itself locks it on either database.
  const row = await transaction
    .updateTable("users")
    .set((row) => ({ updated_at: row.ref("updated_at") }))
    .where("id", "=", id)
    .where("deleted_at", "is", null)
    .returningAll()
    .executeTakeFirst();
  return row && toUser(row);
}

/** Locks several users, in the order of their ids. @returns those who exist, by id */
export async function lockUsers(transaction: Database, ids: readonly string[]): Promise<Map<string, User>> {
  const users = new Map<string, User>();
  for (const id of [...new Set(ids)].sort()) {
    const user = await lockUser(transaction, id);
    if (user !== undefined) users.set(id, user);
  }
  return users;
}

/** All who have not been deleted. */
function selectUsers(db: Database) {
  return db.selectFrom("users").selectAll().where("deleted_at", "is", null);
}

export async function findUserByUsername(db: Database, username: string): Promise<User | undefined> {
  const row = await selectUsers(db).where("username", "=", username).executeTakeFirst();
  return row && toUser(row);
}

/** @param login a username or a verified email address, in lower case */
export async function findUserByLogin(db: Database, login: string): Promise<User | undefined> {
  // A username has no @ in it, so at most one user matches.
  const row = await selectUsers(db)
    .where(login.includes("@") ? "email" : "username", "=", login)
    .$if(login.includes("@"), (query) => query.where("email_verified_at", "is not", null))
    .executeTakeFirst();
  return row && toUser(row);
}

export async function hasUsers(db: Database): Promise<boolean> {
  return (await selectUsers(db).limit(1).executeTakeFirst()) !== undefined;
}

/** All users by username, a page at a time, so that any number of them fits in memory. */
export async function* listUsers(db: Database, pageSize = 500): AsyncGenerator<User> {
  let after = "";
  for (;;) {
    const rows = await selectUsers(db)
      .where("username", ">", after)
      .orderBy("username")
      .limit(pageSize)
      .execute();
    for (const row of rows) yield toUser(row);
    const last = rows.at(-1);
    if (last === undefined || rows.length < pageSize) return;
    after = last.username;
  }
}

/** Which users: all that fit everything that is not left undefined. */
export interface UserFilter {
  /** A part of the username, the email address or the full name, in any case. */
  search?: string | undefined;
  disabled?: boolean | undefined;
}

/** The users by id, which is by age, starting behind the user `after`. */
export async function listUserPage(
  db: Database,
  { first, after }: { first: number; after: string | undefined },
  { search, disabled }: UserFilter,
): Promise<User[]> {
  let query = selectUsers(db).orderBy("id").limit(first);
  if (after !== undefined) query = query.where("id", ">", after);
  if (disabled !== undefined) query = query.where("disabled_at", disabled ? "is not" : "is", null);
  if (search !== undefined) {
    const pattern = `%${search.toLowerCase().replace(/[!%_]/g, "!$&")}%`;
    query = query.where(
      sql<boolean>`(username like ${pattern} escape '!' or email like ${pattern} escape '!' or lower(full_name) like ${pattern} escape '!')`,
    );
  }
  return (await query.execute()).map(toUser);
}

export async function findUserById(db: Database, id: string): Promise<User | undefined> {
  const row = await selectUsers(db).where("id", "=", id).executeTakeFirst();
  return row && toUser(row);
}

/** The accounts, but for disabled ones, that claim the address without having verified it; oldest first. */
export async function listUnverifiedUsersByEmail(
  db: Database,
  email: string,
  limit: number,
): Promise<User[]> {
  const rows = await selectUsers(db)
    .where("email", "=", email)
    .where("email_verified_at", "is", null)
    .where("disabled_at", "is", null)
    .orderBy("id")
    .limit(limit)
    .execute();
  return rows.map(toUser);
}

/** What to change of a user. What is left undefined stays as it is. */
export interface UserChanges {
  username?: string | undefined;
  email?: string | undefined;
  emailVerifiedAt?: number | null | undefined;
  fullName?: string | null | undefined;
  disabledAt?: number | null | undefined;
  roles?: Role[] | undefined;
}

/**
 * @returns undefined when there is no such user
 * @throws the driver's error for a username or a verified address that is taken: see isUniqueViolation
 */
export async function updateUser(
  db: Database,
  id: string,
  changes: UserChanges,
  now: number,
): Promise<User | undefined> {
  const row = await db
    .updateTable("users")
    .set({
      username: changes.username,
      email: changes.email,
      email_verified_at: changes.emailVerifiedAt,
      full_name: changes.fullName,
      disabled_at: changes.disabledAt,
      roles: changes.roles && JSON.stringify(changes.roles),
      updated_at: now,
    })
    .where("id", "=", id)
    .where("deleted_at", "is", null)
    .returningAll()
    .executeTakeFirst();
  return row && toUser(row);
}

/**
 * Deletes the user for everybody: from now on no function here finds them, and their names are free. The row stays, with
 * nothing personal in it, until `purgeDeletedUser` has removed what may be too much for one transaction.
 */
export async function deleteUser(transaction: Database, id: string, now: number): Promise<void> {
  await transaction
    .updateTable("users")
    .set({
      // Nobody's username: one is shorter.
      username: id,
      email: "",
      email_verified_at: null,
      full_name: null,
      roles: "[]",
      updated_at: now,
      deleted_at: now,
    })
    .where("id", "=", id)
    .execute();
  await transaction.deleteFrom("credentials").where("user_id", "=", id).execute();
  await transaction.deleteFrom("one_time_tokens").where("user_id", "=", id).execute();
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
 * Removes up to `limit` rows of what a deleted user left behind, and the user once nothing is left.
 * @returns whether the user is gone
 */
export async function purgeDeletedUser(db: Database, id: string, limit: number): Promise<boolean> {
  const sessions = db.selectFrom("sessions").select("id").where("user_id", "=", id);
  const left = [
    db
      .deleteFrom("refresh_tokens")
      .where("token_hash", "in", (query) =>
        query
          .selectFrom("refresh_tokens")
          .select("token_hash")
          .where("session_id", "in", sessions)
          .limit(limit),
      ),
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
 * Removes up to `limit` accounts that never verified their address, were created before a time, and have no one-time
 * token: an invitation or a link to verify the address must not end in nothing.
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
  // In two statements: PostgreSQL can plan both of them in one so that it looks at every pair of accounts.
  const abandoned = await db.selectFrom("users").select("id").where(isAbandoned).limit(limit).execute();
  if (abandoned.length === 0) return 0;
  await db
    .deleteFrom("users")
    // Who verified the address meanwhile stays: see deleteSessionsEndedBefore.
    .where(isAbandoned)
    .where(
      "id",
      "in",
      abandoned.map(({ id }) => id),
    )
    .execute();
  return abandoned.length;
}

/** Holds off, until the transaction ends, every other that changes who administers. */
export async function lockAdministrators(transaction: Database): Promise<void> {
  // Writing a row to itself locks it on either database.
  await transaction
    .updateTable("locks")
    .set({ name: "administrators" })
    .where("name", "=", "administrators")
    .execute();
}

/** How many administrators can sign in: one who was invited and never came cannot. */
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
