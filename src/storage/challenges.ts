import type { Database } from "./database.js";
import { PreparedQuery } from "./prepared-query.js";

/**
 * What the answer to a challenge does: SIGN_IN completes a sign-in after a correct password, PASSKEY_SIGN_IN is a sign-in
 * of its own, REAUTHENTICATION renews a session's authentication, PASSKEY_REGISTRATION adds a passkey.
 */
export type ChallengePurpose = "SIGN_IN" | "PASSKEY_SIGN_IN" | "REAUTHENTICATION" | "PASSKEY_REGISTRATION";

/** A challenge. Only its hash is stored. */
export interface Challenge {
  challengeHash: string;
  purpose: ChallengePurpose;
  /** The user it was issued to; null for a sign-in with a passkey alone, which identifies the user. */
  userId: string | null;
  expiresAt: number;
}

interface ChallengeKey {
  challengeHash: string;
  purpose: ChallengePurpose;
  now: number;
}

const insert = new PreparedQuery((db, challenge: Challenge) =>
  db.insertInto("challenges").values({
    challenge_hash: challenge.challengeHash,
    purpose: challenge.purpose,
    user_id: challenge.userId,
    expires_at: challenge.expiresAt,
  }),
);

export async function insertChallenge(db: Database, challenge: Challenge): Promise<void> {
  await insert.run(db, challenge);
}

const find = new PreparedQuery((db, { challengeHash, purpose, now }: ChallengeKey) =>
  db
    .selectFrom("challenges")
    .select(["user_id", "expires_at"])
    .where("challenge_hash", "=", challengeHash)
    .where("purpose", "=", purpose)
    .where("expires_at", ">", now),
);

export async function findChallenge(
  db: Database,
  key: ChallengeKey,
): Promise<Pick<Challenge, "userId" | "expiresAt"> | undefined> {
  const row = await find.first(db, key);
  return row && { userId: row.user_id, expiresAt: row.expires_at };
}

const consume = new PreparedQuery((db, { challengeHash, purpose, now }: ChallengeKey) =>
  db
    .deleteFrom("challenges")
    .where("challenge_hash", "=", challengeHash)
    .where("purpose", "=", purpose)
    .where("expires_at", ">", now),
);

/** @returns whether the challenge was valid until now: of any number of concurrent callers, one gets true */
export async function consumeChallenge(db: Database, key: ChallengeKey): Promise<boolean> {
  return (await consume.run(db, key)) === 1;
}

const deleteOfUser = new PreparedQuery((db, { userId }: { userId: string }) =>
  db.deleteFrom("challenges").where("user_id", "=", userId),
);

/** Withdraws a user's challenges. */
export async function deleteChallenges(db: Database, userId: string): Promise<void> {
  await deleteOfUser.run(db, { userId });
}

const deleteOfPurpose = new PreparedQuery(
  (db, { userId, purpose }: { userId: string; purpose: ChallengePurpose }) =>
    db.deleteFrom("challenges").where("user_id", "=", userId).where("purpose", "=", purpose),
);

/** Withdraws a user's challenges for one purpose. */
export async function deleteChallengesOf(
  db: Database,
  key: { userId: string; purpose: ChallengePurpose },
): Promise<void> {
  await deleteOfPurpose.run(db, key);
}

/** Removes up to `limit` challenges that expired before a time. @returns how many */
export async function deleteChallengesExpiredBefore(
  db: Database,
  before: number,
  limit: number,
): Promise<number> {
  const result = await db
    .deleteFrom("challenges")
    .where("expires_at", "<", before)
    .where("challenge_hash", "in", (query) =>
      query.selectFrom("challenges").select("challenge_hash").where("expires_at", "<", before).limit(limit),
    )
    .executeTakeFirst();
  return Number(result.numDeletedRows);
}
