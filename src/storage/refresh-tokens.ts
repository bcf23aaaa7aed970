import type { Database } from "./database.js";

/** A stored refresh token: only its hash. */
export interface RefreshToken {
  tokenHash: string;
  usedAt: number | null;
  sealedSuccessor: string | null;
}

export async function insertRefreshToken(
  db: Database,
  token: { tokenHash: string; familyHash: string; sessionId: string; now: number },
): Promise<void> {
  await db
    .insertInto("refresh_tokens")
    .values({
      token_hash: token.tokenHash,
      family_hash: token.familyHash,
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
  return row && { tokenHash: row.token_hash, usedAt: row.used_at, sealedSuccessor: row.sealed_successor };
}

/** The session of a family of refresh tokens. Its newest token is always kept. */
export async function findSessionIdOfFamily(db: Database, familyHash: string): Promise<string | undefined> {
  const row = await db
    .selectFrom("refresh_tokens")
    .select("session_id")
    .where("family_hash", "=", familyHash)
    .limit(1)
    .executeTakeFirst();
  return row?.session_id;
}

/** @returns whether this call consumed it: of concurrent calls, one returns true */
export async function consumeRefreshToken(
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

/** Removes the session's tokens that were consumed before a time. */
export async function deleteConsumedTokensOfSession(
  db: Database,
  sessionId: string,
  before: number,
): Promise<void> {
  await db
    .deleteFrom("refresh_tokens")
    .where("session_id", "=", sessionId)
    .where("used_at", "<", before)
    .execute();
}

/** Removes up to `limit` tokens that were consumed before a time. @returns how many */
export async function deleteConsumedTokens(db: Database, before: number, limit: number): Promise<number> {
  const result = await db
    .deleteFrom("refresh_tokens")
    .where("used_at", "<", before)
    .where("token_hash", "in", (query) =>
      query.selectFrom("refresh_tokens").select("token_hash").where("used_at", "<", before).limit(limit),
    )
    .executeTakeFirst();
  return Number(result.numDeletedRows);
}
