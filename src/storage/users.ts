import { type Selectable, sql } from "kysely";
import type { Database } from "./database.js";
import { PreparedQuery } from "./prepared-query.js";
import type { UserRow } from "./tables.js";

export const ROLES = ["USER", "ADMIN"] as const;
export type Role = (typeof ROLES)[number];

/** The second factors, and the codes for when they are lost. */
export const MFA_METHODS = ["TOTP", "PASSKEY", "RECOVERY_CODE"] as const;
export type MfaMethod = (typeof MFA_METHODS)[number];

/** A person with an account. The password hash is not part of it: see credentials.ts. */
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
  /** What the user can prove a second factor with; empty without one. */
  mfaMethods: readonly MfaMethod[];
}

export const USER_COLUMNS = [
  "users.id",
  "users.username",
  "users.email",
  "users.email_verified_at",
  "users.full_name",
  "users.disabled_at",
  "users.roles",
  "users.created_at",
  "users.updated_at",
  "users.mfa_methods",
] as const;

export function toUser(row: Omit<Selectable<UserRow>, "deleted_at">): User {
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
    mfaMethods: row.mfa_methods === "" ? [] : (row.mfa_methods.split(" ") as MfaMethod[]),
  };
}

const insert = new PreparedQuery((db, user: Omit<User, "roles" | "mfaMethods"> & { roles: string }) =>
  db
    .insertInto("users")
    .values({
      id: user.id,
      username: user.username,
      email: user.email,
      email_verified_at: user.emailVerifiedAt,
      full_name: user.fullName,
      disabled_at: user.disabledAt,
      roles: user.roles,
      created_at: user.createdAt,
      updated_at: user.updatedAt,
      mfa_methods: "",
    })
    .onConflict((conflict) => conflict.doNothing()),
);

/** @returns false, with nothing written, when the username or the verified email address is taken */
export async function insertUser(db: Database, user: User): Promise<boolean> {
  return (await insert.run(db, { ...user, roles: JSON.stringify(user.roles) })) === 1;
}

// Writing a row to itself locks it on either database.
const lock = new PreparedQuery((db, { id }: { id: string }) =>
  db
    .updateTable("users")
    .set((row) => ({ updated_at: row.ref("updated_at") }))
    .where("id", "=", id)
    .where("deleted_at", "is", null)
    .returning(USER_COLUMNS),
);

/**
 * Locks a user until the transaction ends: no other transaction changes the user or starts a session. Every transaction
 * that writes about a user locks them first: when two transactions lock the same rows in different orders, PostgreSQL
 * aborts one.
 */
export async function lockUser(transaction: Database, id: string): Promise<User | undefined> {
  const row = await lock.first(transaction, { id });
  return row && toUser(row);
}

/** Locks several users. @returns those who exist, by id, in the order of their ids */
export async function lockUsers(transaction: Database, ids: readonly string[]): Promise<Map<string, User>> {
  const users = new Map<string, User>();
  for (const id of [...new Set(ids)].sort()) {
    const user = await lockUser(transaction, id);
    if (user !== undefined) users.set(id, user);
  }
  return users;
}

/** All users except deleted ones. */
function selectUsers(db: Database) {
  return db.selectFrom("users").select(USER_COLUMNS).where("deleted_at", "is", null);
}

const findByUsername = new PreparedQuery((db, { username }: { username: string }) =>
  selectUsers(db).where("username", "=", username),
);

export async function findUserByUsername(db: Database, username: string): Promise<User | undefined> {
  const row = await findByUsername.first(db, { username });
  return row && toUser(row);
}

const findByVerifiedEmail = new PreparedQuery((db, { email }: { email: string }) =>
  selectUsers(db).where("email", "=", email).where("email_verified_at", "is not", null),
);

/** @param login a username or a verified email address, in lower case */
export async function findUserByLogin(db: Database, login: string): Promise<User | undefined> {
  // A username contains no @, so at most one user matches.
  if (!login.includes("@")) return findUserByUsername(db, login);
  const row = await findByVerifiedEmail.first(db, { email: login });
  return row && toUser(row);
}

export async function hasUsers(db: Database): Promise<boolean> {
  return (await selectUsers(db).limit(1).executeTakeFirst()) !== undefined;
}

/** All users by username. They are read page by page, so that any number of them fits in memory. */
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

/** Selects users that match every field that is set. */
export interface UserFilter {
  /** Part of the username, email address or full name; case is ignored. */
  search?: string | undefined;
  disabled?: boolean | undefined;
}

/** Returns users by id, hence by age, that follow the user `after`. */
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

const findById = new PreparedQuery((db, { id }: { id: string }) => selectUsers(db).where("id", "=", id));

export async function findUserById(db: Database, id: string): Promise<User | undefined> {
  const row = await findById.first(db, { id });
  return row && toUser(row);
}

/** Those of the users who exist, in any order. */
export async function listUsersById(db: Database, ids: readonly string[]): Promise<User[]> {
  return (await selectUsers(db).where("id", "in", ids).execute()).map(toUser);
}

/**
 * The enabled accounts that claim an address without having verified it.
 * @param order by age, or by when an email last brought each a link: first those that never got one, oldest first
 */
export async function listUnverifiedUserIds(
  db: Database,
  email: string,
  { order, limit }: { order: "newest" | "leastRecentlyEmailed"; limit: number },
): Promise<string[]> {
  const query = db
    .selectFrom("users")
    .leftJoin("one_time_tokens as token", (join) =>
      join.onRef("token.user_id", "=", "users.id").on("token.purpose", "=", "EMAIL_VERIFICATION"),
    )
    .select("users.id")
    .where("users.email", "=", email)
    .where("users.email_verified_at", "is", null)
    .where("users.disabled_at", "is", null)
    .limit(limit);
  const rows =
    order === "newest"
      ? await query.orderBy("users.id", "desc").execute()
      : await query.orderBy(sql`coalesce(token.expires_at, 0)`).orderBy("users.id").execute();
  return rows.map(({ id }) => id);
}

/** Changes to a user. A field left undefined keeps its value. */
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
    .returning(USER_COLUMNS)
    .executeTakeFirst();
  return row && toUser(row);
}
