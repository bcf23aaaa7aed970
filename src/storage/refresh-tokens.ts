import type { Database } from "./database.js";
import { PreparedQuery } from "./prepared-query.js";

/** A stored refresh token: only its hash. */
export interface RefreshToken {
  tokenHash: string;
  usedAt: number | null;
  sealedSuccessor: string | null;
}

interface NewRefreshToken {
  tokenHash: string;
  familyHash: string;
  sessionId: string;
  now: number;
}

const insert = new PreparedQuery((db, token: NewRefreshToken) =>
  db.insertInto("refresh_tokens").values({
    token_hash: token.tokenHash,
    family_hash: token.familyHash,
    session_id: token.sessionId,
    created_at: token.now,
    used_at: null,
    sealed_successor: null,
  }),
);

export async function insertRefreshToken(db: Database, token: NewRefreshToken): Promise<void> {
  await insert.run(db, token);
}

const find = new PreparedQuery((db, { tokenHash }: { tokenHash: string }) =>
  db
    .selectFrom("refresh_tokens")
    .select(["token_hash", "used_at", "sealed_successor"])
    .where("token_hash", "=", tokenHash),
);

export async function findRefreshToken(db: Database, tokenHash: string): Promise<RefreshToken | undefined> {
  const row = await find.first(db, { tokenHash });
  return row && { tokenHash: row.token_hash, usedAt: row.used_at, sealedSuccessor: row.sealed_successor };
}

const findSessionId = new PreparedQuery((db, { familyHash }: { familyHash: string }) =>
  db.selectFrom("refresh_tokens").select("session_id").where("family_hash", "=", familyHash).limit(1),
);

/** The session of a family of refresh tokens. Its newest token is always kept. */
export async function findSessionIdOfFamily(db: Database, familyHash: string): Promise<string | undefined> {
  return (await findSessionId.first(db, { familyHash }))?.session_id;
}

interface Consumption {
  tokenHash: string;
  now: number;
  sealedSuccessor: string | null;
}

const consume = new PreparedQuery((db, { tokenHash, now, sealedSuccessor }: Consumption) =>
  db
    .updateTable("refresh_tokens")
    .set({ used_at: now, sealed_successor: sealedSuccessor })
    .where("token_hash", "=", tokenHash)
    .where("used_at", "is", null),
);

/** @returns whether this call consumed it: of concurrent calls, one returns true */
export async function consumeRefreshToken(db: Database, consumption: Consumption): Promise<boolean> {
  return (await consume.run(db, consumption)) === 1;
}

const deleteConsumed = new PreparedQuery((db, { sessionId, before }: { sessionId: string; before: number }) =>
  db.deleteFrom("refresh_tokens").where("session_id", "=", sessionId).where("used_at", "<", before),
);

/** Removes the session's tokens that were consumed before a time. */
export async function deleteConsumedTokensOfSession(
  db: Database,
  sessionId: string,
  before: number,
): Promise<void> {
  await deleteConsumed.run(db, { sessionId, before });
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
