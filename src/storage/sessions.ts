import type { ExpressionBuilder, Selectable } from "kysely";
import { CLOCK_TOLERANCE } from "../clock.js";
import type { Database } from "./database.js";
import { PreparedQuery } from "./prepared-query.js";
import type { SessionRow, Tables } from "./tables.js";
import { toUser, USER_COLUMNS, type User } from "./users.js";

/** How a user proved who they are, by its name in RFC 8176. */
export type AuthenticationMethod = "pwd" | "otp" | "hwk" | "swk" | "user" | "mfa";

/** When and how a user proved who they are. */
export interface Authentication {
  /** Epoch milliseconds. */
  authenticatedAt: number;
  authenticationMethods: readonly AuthenticationMethod[];
}

/** One sign-in of a user, named by the `sid` of its access tokens. */
export interface Session extends Authentication {
  id: string;
  userId: string;
  createdAt: number;
  /** When it was last refreshed, or started. */
  lastUsedAt: number;
  /** When it ends unless it is refreshed. */
  expiresAt: number;
  /** When it ends even if it is refreshed. */
  absoluteExpiresAt: number;
  endedAt: number | null;
  userAgent: string | null;
  ipAddress: string | null;
}

/** With names that do not collide with the columns of `users`. */
export const SESSION_COLUMNS = [
  "sessions.id as session_id",
  "sessions.user_id",
  "sessions.created_at as session_created_at",
  "sessions.last_used_at",
  "sessions.expires_at",
  "sessions.absolute_expires_at",
  "sessions.ended_at",
  "sessions.user_agent",
  "sessions.ip_address",
  "sessions.authenticated_at",
  "sessions.authentication_methods",
] as const;

type SessionColumns = Omit<
  Selectable<SessionRow>,
  "id" | "created_at" | "refresh_family_hash" | "refresh_token_hash" | "consumed_refresh_tokens"
> & {
  session_id: string;
  session_created_at: number;
};

export function toSession(row: SessionColumns): Session {
  return {
    id: row.session_id,
    userId: row.user_id,
    createdAt: row.session_created_at,
    lastUsedAt: row.last_used_at,
    expiresAt: row.expires_at,
    absoluteExpiresAt: row.absolute_expires_at,
    endedAt: row.ended_at,
    userAgent: row.user_agent,
    ipAddress: row.ip_address,
    authenticatedAt: row.authenticated_at,
    authenticationMethods: row.authentication_methods.split(" ") as AuthenticationMethod[],
  };
}

interface FirstToken {
  tokenHash: string;
  /** The same for all refresh tokens of a session. */
  familyHash: string;
}

type StoredSession = Omit<Session, "authenticationMethods"> & { authenticationMethods: string };

const insert = new PreparedQuery((db, session: StoredSession & FirstToken) =>
  db.insertInto("sessions").values({
    id: session.id,
    user_id: session.userId,
    created_at: session.createdAt,
    last_used_at: session.lastUsedAt,
    expires_at: session.expiresAt,
    absolute_expires_at: session.absoluteExpiresAt,
    ended_at: session.endedAt,
    user_agent: session.userAgent,
    ip_address: session.ipAddress,
    authenticated_at: session.authenticatedAt,
    authentication_methods: session.authenticationMethods,
    refresh_family_hash: session.familyHash,
    refresh_token_hash: session.tokenHash,
  }),
);

/** @param token its first refresh token */
export async function insertSession(db: Database, session: Session, token: FirstToken): Promise<void> {
  const authenticationMethods = session.authenticationMethods.join(" ");
  await insert.run(db, { ...session, authenticationMethods, ...token });
}

const renew = new PreparedQuery((db, renewed: { id: string; at: number; methods: string }) =>
  db
    .updateTable("sessions")
    .set({ authenticated_at: renewed.at, authentication_methods: renewed.methods })
    .where("id", "=", renewed.id),
);

/** Renews the authentication of a session. */
export async function renewAuthentication(
  db: Database,
  id: string,
  { authenticatedAt: at, authenticationMethods }: Authentication,
): Promise<void> {
  await renew.run(db, { id, at, methods: authenticationMethods.join(" ") });
}

const find = new PreparedQuery((db, { id }: { id: string }) =>
  db.selectFrom("sessions").select(SESSION_COLUMNS).where("id", "=", id),
);

export async function findSession(db: Database, id: string): Promise<Session | undefined> {
  const row = await find.first(db, { id });
  return row && toSession(row);
}

const findWithUser = new PreparedQuery((db, { id }: { id: string }) =>
  db
    .selectFrom("sessions")
    .innerJoin("users", "users.id", "sessions.user_id")
    .select(USER_COLUMNS)
    .select(SESSION_COLUMNS)
    .where("sessions.id", "=", id)
    .where("users.deleted_at", "is", null),
);

/** The session and its user in one query: this runs on every authenticated request. */
export async function findSessionWithUser(
  db: Database,
  id: string,
): Promise<{ session: Session; user: User } | undefined> {
  const row = await findWithUser.first(db, { id });
  return row && { session: toSession(row), user: toUser(row) };
}

/** Follows every id in order: a UUID contains no such letter. */
const AFTER_ALL_IDS = "g";

const listLive = new PreparedQuery(
  (db, { userId, now, first, after }: { userId: string; now: number; first: number; after: string }) =>
    liveSessionsOf(db, userId, now)
      .select(SESSION_COLUMNS)
      .where("id", "<", after)
      .orderBy("id", "desc")
      .limit(first),
);

/** The user's sessions that have neither ended nor expired, newest first, starting after the session `after`. */
export async function listLiveSessions(
  db: Database,
  userId: string,
  now: number,
  { first, after = AFTER_ALL_IDS }: { first: number; after: string | undefined },
): Promise<Session[]> {
  return (await listLive.all(db, { userId, now, first, after })).map(toSession);
}

const listBeyond = new PreparedQuery(
  (db, { userId, now, keep, limit }: { userId: string; now: number; keep: number; limit: number }) =>
    liveSessionsOf(db, userId, now)
      .select("id")
      .orderBy("last_used_at", "desc")
      .orderBy("id", "desc")
      .limit(limit)
      .offset(keep),
);

/**
 * The user's live sessions except the `keep` most recently used ones.
 * @returns up to `limit` ids
 */
export async function listSessionsBeyond(
  db: Database,
  userId: string,
  now: number,
  { keep, limit }: { keep: number; limit: number },
): Promise<string[]> {
  const rows = await listBeyond.all(db, { userId, now, keep, limit });
  return rows.map(({ id }) => id);
}

function liveSessionsOf(db: Database, userId: string, now: number) {
  return db
    .selectFrom("sessions")
    .where("user_id", "=", userId)
    .where("ended_at", "is", null)
    .where("expires_at", ">", now);
}

/**
 * Ends the user's sessions that are live by any process's clock: one that has just expired here might still be refreshed
 * there.
 * @param which only one of them, or all except one; all of them without it
 * @returns the ids of the sessions that it ended
 */
export async function endSessions(
  db: Database,
  userId: string,
  now: number,
  which: { only?: string; except?: string } = {},
): Promise<string[]> {
  let query = db
    .updateTable("sessions")
    .set({ ended_at: now })
    .where("user_id", "=", userId)
    .where("ended_at", "is", null)
    .where("expires_at", ">", now - CLOCK_TOLERANCE);
  if (which.only !== undefined) query = query.where("id", "=", which.only);
  if (which.except !== undefined) query = query.where("id", "!=", which.except);
  return (await query.returning("id").execute()).map(({ id }) => id);
}

/** Removes up to `limit` sessions that ended or expired before a time. @returns how many */
export async function deleteSessionsEndedBefore(
  db: Database,
  before: number,
  limit: number,
): Promise<number> {
  const hasEnded = (where: ExpressionBuilder<Tables, "sessions">) =>
    where.or([where("ended_at", "<", before), where("expires_at", "<", before)]);
  const result = await db
    .deleteFrom("sessions")
    // On the row itself too, as in every such deletion: that is the condition which PostgreSQL checks again for a row that
    // another transaction changed meanwhile.
    .where(hasEnded)
    .where("id", "in", (query) => query.selectFrom("sessions").select("id").where(hasEnded).limit(limit))
    .executeTakeFirst();
  return Number(result.numDeletedRows);
}
