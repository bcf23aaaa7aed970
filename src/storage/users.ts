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

/** @returns false when the username or the e-mail address is taken, and nothing was written */
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
 * The user, whom no other transaction changes or signs in until this one ends.
 * Whatever starts sessions, ends them all, or changes what lets a user in, begins with it.
 */
export async function lockUser(transaction: Database, id: string): Promise<User | undefined> {
  // Writing a row to itself locks it on either database.
  const row = await transaction
    .updateTable("users")
    .set((row) => ({ updated_at: row.ref("updated_at") }))
    .where("id", "=", id)
    .returningAll()
    .executeTakeFirst();
  return row && toUser(row);
}

export async function findUserByUsername(db: Database, username: string): Promise<User | undefined> {
  const row = await db.selectFrom("users").selectAll().where("username", "=", username).executeTakeFirst();
  return row && toUser(row);
}

/** @param login a username or a verified e-mail address, in lower case */
export async function findUserByLogin(db: Database, login: string): Promise<User | undefined> {
  // A username has no @ in it, so at most one user matches.
  const row = await db
    .selectFrom("users")
    .selectAll()
    .where(login.includes("@") ? "email" : "username", "=", login)
    .$if(login.includes("@"), (query) => query.where("email_verified_at", "is not", null))
    .executeTakeFirst();
  return row && toUser(row);
}

export async function hasUsers(db: Database): Promise<boolean> {
  return (await db.selectFrom("users").select("id").limit(1).executeTakeFirst()) !== undefined;
}

/** All users by username, a page at a time, so that any number of them fits in memory. */
export async function* listUsers(db: Database, pageSize = 500): AsyncGenerator<User> {
  let after = "";
  for (;;) {
    const rows = await db
      .selectFrom("users")
      .selectAll()
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
  /** A part of the username, the e-mail address or the full name, in any case. */
  search?: string | undefined;
  disabled?: boolean | undefined;
}

/** The users by id, which is by age, starting behind the user `after`. */
export async function listUserPage(
  db: Database,
  { first, after }: { first: number; after: string | undefined },
  { search, disabled }: UserFilter,
): Promise<User[]> {
  let query = db.selectFrom("users").selectAll().orderBy("id").limit(first);
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
  const row = await db.selectFrom("users").selectAll().where("id", "=", id).executeTakeFirst();
  return row && toUser(row);
}

/** The newest account that claims the address without having verified it. */
export async function findUnverifiedUserByEmail(db: Database, email: string): Promise<User | undefined> {
  const row = await db
    .selectFrom("users")
    .selectAll()
    .where("email", "=", email)
    .where("email_verified_at", "is", null)
    .orderBy("id", "desc")
    .executeTakeFirst();
  return row && toUser(row);
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
    .returningAll()
    .executeTakeFirst();
  return row && toUser(row);
}

/** Removes the user with everything that belongs to them. @returns false when there is no such user */
export async function deleteUser(db: Database, id: string): Promise<boolean> {
  const result = await db.deleteFrom("users").where("id", "=", id).executeTakeFirst();
  return result.numDeletedRows === 1n;
}

/**
 * Removes up to `limit` accounts that never verified their address, were made before a time, and have no one-time token
 * left, such as an invitation that can still be accepted.
 */
export async function deleteUnverifiedUsersBefore(
  db: Database,
  before: number,
  limit: number,
): Promise<number> {
  const isAbandoned = (where: ExpressionBuilder<Tables, "users">) =>
    where.and([
      where("email_verified_at", "is", null),
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
  const result = await db
    .deleteFrom("users")
    // Who verified the address meanwhile stays: see deleteSessionsEndedBefore.
    .where(isAbandoned)
    .where("id", "in", (query) => query.selectFrom("users").select("id").where(isAbandoned).limit(limit))
    .executeTakeFirst();
  return Number(result.numDeletedRows);
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

/** How many administrators can sign in. */
export async function countAdministrators(db: Database): Promise<number> {
  const { count } = await db
    .selectFrom("users")
    .select((select) => select.fn.countAll<number | bigint | string>().as("count"))
    .where("roles", "like", '%"ADMIN"%')
    .where("disabled_at", "is", null)
    .executeTakeFirstOrThrow();
  return Number(count);
}
