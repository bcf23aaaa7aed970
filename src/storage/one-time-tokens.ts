import type { Database } from "./database.js";

export type TokenPurpose = "EMAIL_VERIFICATION" | "PASSWORD_RESET" | "INVITATION" | "EMAIL_CHANGE";

/** A token that was sent by email. Only its hash is stored. */
export interface OneTimeToken {
  tokenHash: string;
  userId: string;
  purpose: TokenPurpose;
  /** The address it was sent to. */
  email: string;
  expiresAt: number;
}

/** Stores a token, and deletes the user's earlier ones for the purpose: only the latest works. */
export async function replaceOneTimeToken(db: Database, token: OneTimeToken): Promise<void> {
  await deleteOneTimeTokens(db, token.userId, token.purpose);
  await db
    .insertInto("one_time_tokens")
    .values({
      token_hash: token.tokenHash,
      user_id: token.userId,
      purpose: token.purpose,
      email: token.email,
      expires_at: token.expiresAt,
      used_at: null,
    })
    .execute();
}

/** Deletes a user's tokens: all, or those for one purpose. */
export async function deleteOneTimeTokens(
  db: Database,
  userId: string,
  purpose?: TokenPurpose,
): Promise<void> {
  let query = db.deleteFrom("one_time_tokens").where("user_id", "=", userId);
  if (purpose !== undefined) query = query.where("purpose", "=", purpose);
  await query.execute();
}

interface TokenKey {
  tokenHash: string;
  purpose: TokenPurpose;
  now: number;
}

/** @returns whether the token was valid until now: of any number of concurrent callers, one gets true */
export async function consumeOneTimeToken(
  db: Database,
  { tokenHash, purpose, now }: TokenKey,
): Promise<boolean> {
  const result = await db
    .updateTable("one_time_tokens")
    .set({ used_at: now })
    .where("token_hash", "=", tokenHash)
    .where("purpose", "=", purpose)
    .where("used_at", "is", null)
    .where("expires_at", ">", now)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** Removes up to `limit` tokens that expired before a time. @returns how many */
export async function deleteOneTimeTokensExpiredBefore(
  db: Database,
  before: number,
  limit: number,
): Promise<number> {
  const result = await db
    .deleteFrom("one_time_tokens")
    .where("expires_at", "<", before)
    .where("token_hash", "in", (query) =>
      query.selectFrom("one_time_tokens").select("token_hash").where("expires_at", "<", before).limit(limit),
    )
    .executeTakeFirst();
  return Number(result.numDeletedRows);
}

/** Returns the owner of an unused token, and the address it was sent to, without consuming it. */
export async function findOneTimeToken(
  db: Database,
  { tokenHash, purpose, now }: TokenKey,
): Promise<{ userId: string; email: string } | undefined> {
  const row = await db
    .selectFrom("one_time_tokens")
    .select(["user_id", "email"])
    .where("token_hash", "=", tokenHash)
    .where("purpose", "=", purpose)
    .where("used_at", "is", null)
    .where("expires_at", ">", now)
    .executeTakeFirst();
  return row && { userId: row.user_id, email: row.email };
}

/** Whether the user has an unused token for the purpose. */
export async function hasOneTimeToken(
  db: Database,
  userId: string,
  { purpose, now }: { purpose: TokenPurpose; now: number },
): Promise<boolean> {
  const row = await db
    .selectFrom("one_time_tokens")
    .select("token_hash")
    .where("user_id", "=", userId)
    .where("purpose", "=", purpose)
    .where("used_at", "is", null)
    .where("expires_at", ">", now)
    .executeTakeFirst();
  return row !== undefined;
}
