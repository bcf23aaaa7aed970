import type { Database } from "./database.js";
import { PreparedQuery } from "./prepared-query.js";

/** The secret that a user's authenticator app makes codes with. */
export interface TotpSecret {
  userId: string;
  encryptedSecret: string;
  /** Null until the user has entered a first code. */
  confirmedAt: number | null;
}

const find = new PreparedQuery((db, { userId }: { userId: string }) =>
  db
    .selectFrom("totp_secrets")
    .select(["user_id", "encrypted_secret", "confirmed_at"])
    .where("user_id", "=", userId),
);

export async function findTotpSecret(db: Database, userId: string): Promise<TotpSecret | undefined> {
  const row = await find.first(db, { userId });
  return row && { userId: row.user_id, encryptedSecret: row.encrypted_secret, confirmedAt: row.confirmed_at };
}

const propose = new PreparedQuery(
  (db, { userId, encryptedSecret }: { userId: string; encryptedSecret: string }) =>
    db
      .insertInto("totp_secrets")
      .values({
        user_id: userId,
        encrypted_secret: encryptedSecret,
        confirmed_at: null,
        last_step: 0,
      })
      .onConflict((conflict) =>
        conflict
          .column("user_id")
          .doUpdateSet((row) => ({
            encrypted_secret: row.ref("excluded.encrypted_secret"),
          }))
          .where("totp_secrets.confirmed_at", "is", null),
      ),
);

/** Stores a secret that is not confirmed yet, in place of an earlier such one. @returns false when one is confirmed */
export async function proposeTotpSecret(
  db: Database,
  secret: { userId: string; encryptedSecret: string },
): Promise<boolean> {
  return (await propose.run(db, secret)) === 1;
}

interface AcceptedStep {
  userId: string;
  step: number;
}

const confirm = new PreparedQuery((db, { userId, step, now }: AcceptedStep & { now: number }) =>
  db.updateTable("totp_secrets").set({ confirmed_at: now, last_step: step }).where("user_id", "=", userId),
);

/** Confirms a secret with the code of a time step, which is thereby used. */
export async function confirmTotpSecret(
  db: Database,
  confirmed: AcceptedStep & { now: number },
): Promise<void> {
  await confirm.run(db, confirmed);
}

const accept = new PreparedQuery((db, { userId, step }: AcceptedStep) =>
  db
    .updateTable("totp_secrets")
    .set({ last_step: step })
    .where("user_id", "=", userId)
    .where("last_step", "<", step),
);

/**
 * Accepts the code of a time step, once (RFC 6238, 5.2).
 * @returns false when a code of this or a later step was accepted before
 */
export async function acceptTotpStep(db: Database, accepted: AcceptedStep): Promise<boolean> {
  return (await accept.run(db, accepted)) === 1;
}

/** @returns whether there was one that was confirmed */
export async function deleteTotpSecret(db: Database, userId: string): Promise<boolean> {
  const rows = await db
    .deleteFrom("totp_secrets")
    .where("user_id", "=", userId)
    .returning("confirmed_at")
    .execute();
  return rows.some(({ confirmed_at }) => confirmed_at !== null);
}

/** Returns up to `limit` secrets in the order of their users' ids, after a user. */
export async function listTotpSecrets(
  db: Database,
  { after, limit }: { after: string; limit: number },
): Promise<Omit<TotpSecret, "confirmedAt">[]> {
  const rows = await db
    .selectFrom("totp_secrets")
    .select(["user_id", "encrypted_secret"])
    .where("user_id", ">", after)
    .orderBy("user_id")
    .limit(limit)
    .execute();
  return rows.map((row) => ({ userId: row.user_id, encryptedSecret: row.encrypted_secret }));
}

/** Replaces the encrypted form of a secret, unless it was replaced meanwhile. */
export async function reencryptTotpSecret(
  db: Database,
  userId: string,
  { from, to }: { from: string; to: string },
): Promise<void> {
  await db
    .updateTable("totp_secrets")
    .set({ encrypted_secret: to })
    .where("user_id", "=", userId)
    .where("encrypted_secret", "=", from)
    .execute();
}
