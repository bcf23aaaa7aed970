import type { Database } from "./database.js";
import { PreparedQuery } from "./prepared-query.js";
import { SESSION_COLUMNS, type Session, toSession } from "./sessions.js";
import { toUser, USER_COLUMNS, type User } from "./users.js";

/** The refresh tokens of a session, which are stored in its row: only hashes. */
export interface RefreshTokens {
  currentHash: string | null;
  /** The latest ones that were consumed, oldest first. */
  consumed: readonly ConsumedToken[];
}

/** A token that was replaced by the next one. */
export interface ConsumedToken {
  tokenHash: string;
  usedAt: number;
  /** The next token, encrypted so that only this one decrypts it. */
  encryptedSuccessor: string;
}

const findByFamily = new PreparedQuery((db, { familyHash }: { familyHash: string }) =>
  db
    .selectFrom("sessions")
    .innerJoin("users", "users.id", "sessions.user_id")
    .select(USER_COLUMNS)
    .select(SESSION_COLUMNS)
    .select(["sessions.refresh_token_hash", "sessions.consumed_refresh_tokens"])
    .where("sessions.refresh_family_hash", "=", familyHash)
    .where("users.deleted_at", "is", null),
);

/** The session of a family of refresh tokens, with its user. */
export async function findSessionOfFamily(
  db: Database,
  familyHash: string,
): Promise<{ session: Session; user: User; tokens: RefreshTokens } | undefined> {
  const row = await findByFamily.first(db, { familyHash });
  if (row === undefined) return undefined;
  const consumed: ConsumedToken[] = JSON.parse(row.consumed_refresh_tokens ?? "[]");
  return {
    session: toSession(row),
    user: toUser(row),
    tokens: { currentHash: row.refresh_token_hash, consumed },
  };
}

interface Rotation {
  sessionId: string;
  /** The hash of the token to replace. */
  from: string;
  /** The hash of the new token. */
  to: string;
  consumed: readonly ConsumedToken[];
  now: number;
  /** When the session ends from now on unless it is refreshed again. */
  expiresAt: number;
}

const rotate = new PreparedQuery((db, rotation: Omit<Rotation, "consumed"> & { consumed: string | null }) =>
  db
    .updateTable("sessions")
    .set({
      refresh_token_hash: rotation.to,
      consumed_refresh_tokens: rotation.consumed,
      last_used_at: rotation.now,
      expires_at: rotation.expiresAt,
    })
    .where("id", "=", rotation.sessionId)
    .where("refresh_token_hash", "=", rotation.from)
    .where("ended_at", "is", null),
);

/**
 * Replaces the current refresh token of a session, and extends the session.
 * @returns false, with nothing written, when the token is not the current one any more or the session has ended: of
 * concurrent calls with one token, one returns true
 */
export async function rotateRefreshToken(db: Database, rotation: Rotation): Promise<boolean> {
  const consumed = rotation.consumed.length > 0 ? JSON.stringify(rotation.consumed) : null;
  return (await rotate.run(db, { ...rotation, consumed })) === 1;
}

/** Forgets the consumed tokens of up to `limit` sessions that were last refreshed before a time. @returns how many */
export async function forgetConsumedTokens(db: Database, before: number, limit: number): Promise<number> {
  const result = await db
    .updateTable("sessions")
    .set({ consumed_refresh_tokens: null })
    .where("last_used_at", "<", before)
    .where("consumed_refresh_tokens", "is not", null)
    .where("id", "in", (query) =>
      query
        .selectFrom("sessions")
        .select("id")
        .where("last_used_at", "<", before)
        .where("consumed_refresh_tokens", "is not", null)
        .limit(limit),
    )
    .executeTakeFirst();
  return Number(result.numUpdatedRows);
}
