import type { Selectable } from "kysely";
import type { Database } from "./database.js";
import type { UserRow } from "./tables.js";

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

/** @param login a username or an e-mail address, in lower case */
export async function findUserByLogin(db: Database, login: string): Promise<User | undefined> {
  // A username has no @ in it, so at most one user matches.
  const row = await db
    .selectFrom("users")
    .selectAll()
    .where(login.includes("@") ? "email" : "username", "=", login)
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

/** @param at epoch milliseconds, or null to enable the user again */
export async function setUserDisabled(
  db: Database,
  id: string,
  at: number | null,
  now: number,
): Promise<void> {
  await db.updateTable("users").set({ disabled_at: at, updated_at: now }).where("id", "=", id).execute();
}
