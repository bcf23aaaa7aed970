import type { Database } from "./database.js";
import { PreparedQuery } from "./prepared-query.js";

interface RecoveryCode {
  userId: string;
  codeHash: string;
}

/** Replaces all of a user's recovery codes. */
export async function replaceRecoveryCodes(
  db: Database,
  userId: string,
  codeHashes: readonly string[],
): Promise<void> {
  await db.deleteFrom("recovery_codes").where("user_id", "=", userId).execute();
  if (codeHashes.length === 0) return;
  const rows = codeHashes.map((code_hash) => ({ user_id: userId, code_hash }));
  await db.insertInto("recovery_codes").values(rows).execute();
}

const find = new PreparedQuery((db, { userId, codeHash }: RecoveryCode) =>
  db
    .selectFrom("recovery_codes")
    .select("code_hash")
    .where("user_id", "=", userId)
    .where("code_hash", "=", codeHash),
);

export async function hasRecoveryCode(db: Database, code: RecoveryCode): Promise<boolean> {
  return (await find.first(db, code)) !== undefined;
}

const consume = new PreparedQuery((db, { userId, codeHash }: RecoveryCode) =>
  db.deleteFrom("recovery_codes").where("user_id", "=", userId).where("code_hash", "=", codeHash),
);

/** @returns whether the code was unused: of any number of concurrent callers, one gets true */
export async function consumeRecoveryCode(db: Database, code: RecoveryCode): Promise<boolean> {
  return (await consume.run(db, code)) === 1;
}

/** How many unused recovery codes a user has. */
export async function countRecoveryCodes(db: Database, userId: string): Promise<number> {
  const { count } = await db
    .selectFrom("recovery_codes")
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .where("user_id", "=", userId)
    .executeTakeFirstOrThrow();
  return count;
}
