import type { Database } from "./database.js";
import { PreparedQuery } from "./prepared-query.js";

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

const insert = new PreparedQuery((db, token: OneTimeToken) =>
  db.insertInto("one_time_tokens").values({
    token_hash: token.tokenHash,
    user_id: token.userId,
    purpose: token.purpose,
    email: token.email,
    expires_at: token.expiresAt,
    used_at: null,
  }),
);

const deleteForPurpose = new PreparedQuery(
  (db, { userId, purpose }: { userId: string; purpose: TokenPurpose }) =>
    db.deleteFrom("one_time_tokens").where("user_id", "=", userId).where("purpose", "=", purpose),
);

/** Stores a token, and deletes the user's earlier ones for the purpose: only the latest works. */
export async function replaceOneTimeToken(db: Database, token: OneTimeToken): Promise<void> {
  await deleteForPurpose.run(db, token);
  await insert.run(db, token);
}

const deleteUnused = new PreparedQuery((db, { userId }: { userId: string }) =>
  db.deleteFrom("one_time_tokens").where("user_id", "=", userId).where("used_at", "is", null),
);

/** Deletes a user's unused tokens for all purposes. A used one stays, for `findUsedOneTimeToken`. */
export async function withdrawOneTimeTokens(db: Database, userId: string): Promise<void> {
  await deleteUnused.run(db, { userId });
}

interface TokenKey {
  tokenHash: string;
  purpose: TokenPurpose;
  now: number;
}

const consume = new PreparedQuery((db, { tokenHash, purpose, now }: TokenKey) =>
  db
    .updateTable("one_time_tokens")
    .set({ used_at: now })
    .where("token_hash", "=", tokenHash)
    .where("purpose", "=", purpose)
    .where("used_at", "is", null)
    .where("expires_at", ">", now),
);

/** @returns whether the token was valid until now: of any number of concurrent callers, one gets true */
export async function consumeOneTimeToken(db: Database, key: TokenKey): Promise<boolean> {
  return (await consume.run(db, key)) === 1;
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

const find = new PreparedQuery((db, { tokenHash, purpose, now }: TokenKey) =>
  db
    .selectFrom("one_time_tokens")
    .select(["user_id", "email"])
    .where("token_hash", "=", tokenHash)
    .where("purpose", "=", purpose)
    .where("used_at", "is", null)
    .where("expires_at", ">", now),
);

/** Returns the owner of an unused token, and the address it was sent to, without consuming it. */
export async function findOneTimeToken(
  db: Database,
  key: TokenKey,
): Promise<{ userId: string; email: string } | undefined> {
  const row = await find.first(db, key);
  return row && { userId: row.user_id, email: row.email };
}

const findUsed = new PreparedQuery((db, { tokenHash, purpose, since }: UsedTokenKey) =>
  db
    .selectFrom("one_time_tokens")
    .select(["user_id", "email"])
    .where("token_hash", "=", tokenHash)
    .where("purpose", "=", purpose)
    .where("used_at", ">", since),
);

type UsedTokenKey = Omit<TokenKey, "now"> & { since: number };

/** Returns the owner of a token that was consumed after a time, and the address it was sent to. */
export async function findUsedOneTimeToken(
  db: Database,
  key: UsedTokenKey,
): Promise<{ userId: string; email: string } | undefined> {
  const row = await findUsed.first(db, key);
  return row && { userId: row.user_id, email: row.email };
}

const findOfUser = new PreparedQuery(
  (db, { userId, purpose, now }: { userId: string; purpose: TokenPurpose; now: number }) =>
    db
      .selectFrom("one_time_tokens")
      .select("token_hash")
      .where("user_id", "=", userId)
      .where("purpose", "=", purpose)
      .where("used_at", "is", null)
      .where("expires_at", ">", now),
);

/** Whether the user has an unused token for the purpose. */
export async function hasOneTimeToken(
  db: Database,
  userId: string,
  options: { purpose: TokenPurpose; now: number },
): Promise<boolean> {
  return (await findOfUser.first(db, { ...options, userId })) !== undefined;
}
