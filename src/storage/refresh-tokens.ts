import type { Database } from "./database.js";

/** A refresh token as it is kept: its hash only. */
export interface RefreshToken {
  tokenHash: string;
  sessionId: string;
  usedAt: number | null;
  sealedSuccessor: string | null;
}

export async function insertRefreshToken(
  db: Database,
  token: { tokenHash: string; sessionId: string; now: number },
): Promise<void> {
  await db
    .insertInto("refresh_tokens")
    .values({
      token_hash: token.tokenHash,
      session_id: token.sessionId,
      created_at: token.now,
      used_at: null,
      sealed_successor: null,
    })
    .execute();
}

export async function findRefreshToken(db: Database, tokenHash: string): Promise<RefreshToken | undefined> {
  const row = await db
    .selectFrom("refresh_tokens")
    .selectAll()
    .where("token_hash", "=", tokenHash)
    .executeTakeFirst();
  return (
    row && {
      tokenHash: row.token_hash,
      sessionId: row.session_id,
      usedAt: row.used_at,
      sealedSuccessor: row.sealed_successor,
    }
  );
}

/** @returns false when it was spent before: of any number of callers at once, one gets true */
export async function spendRefreshToken(
  db: Database,
  tokenHash: string,
  { now, sealedSuccessor }: { now: number; sealedSuccessor: string | null },
): Promise<boolean> {
  const result = await db
    .updateTable("refresh_tokens")
    .set({ used_at: now, sealed_successor: sealedSuccessor })
    .where("token_hash", "=", tokenHash)
    .where("used_at", "is", null)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** Forgets up to `limit` successors that are past the grace, so that an old token opens nothing. */
export async function forgetSuccessors(db: Database, usedBefore: number, limit: number): Promise<number> {
  const result = await db
    .updateTable("refresh_tokens")
    .set({ sealed_successor: null })
    .where("token_hash", "in", (query) =>
      query
        .selectFrom("refresh_tokens")
        .select("token_hash")
        .where("sealed_successor", "is not", null)
        .where("used_at", "<", usedBefore)
        .limit(limit),
    )
    .executeTakeFirst();
  return Number(result.numUpdatedRows);
}

/** Removes up to `limit` tokens of sessions that ended or expired before a time. */
export async function deleteRefreshTokensOfSessionsEndedBefore(
  db: Database,
  before: number,
  limit: number,
): Promise<number> {
  const result = await db
    .deleteFrom("refresh_tokens")
    .where("token_hash", "in", (query) =>
      query
        .selectFrom("refresh_tokens")
        .innerJoin("sessions", "sessions.id", "refresh_tokens.session_id")
        .select("token_hash")
        .where((or) => or.or([or("sessions.ended_at", "<", before), or("sessions.expires_at", "<", before)]))
        .limit(limit),
    )
    .executeTakeFirst();
  return Number(result.numDeletedRows);
}
