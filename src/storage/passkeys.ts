import type { Selectable } from "kysely";
import type { Database } from "./database.js";
import { PreparedQuery } from "./prepared-query.js";
import type { PasskeyRow } from "./tables.js";

/** A user's passkey: a WebAuthn credential. */
export interface Passkey {
  id: string;
  userId: string;
  /** The id that the authenticator chose, base64url. */
  credentialId: string;
  /** As COSE, base64url. */
  publicKey: string;
  /** The signature counter of its latest use; 0 for ever if the authenticator has none. */
  counter: number;
  /** How to reach the authenticator. */
  transports: readonly string[];
  /** Whether it is synced between devices. */
  synced: boolean;
  name: string;
  createdAt: number;
  lastUsedAt: number | null;
}

const COLUMNS = [
  "id",
  "user_id",
  "credential_id",
  "public_key",
  "counter",
  "transports",
  "synced",
  "name",
  "created_at",
  "last_used_at",
] as const;

function toPasskey(row: Selectable<PasskeyRow>): Passkey {
  return {
    id: row.id,
    userId: row.user_id,
    credentialId: row.credential_id,
    publicKey: row.public_key,
    counter: row.counter,
    transports: row.transports === "" ? [] : row.transports.split(" "),
    synced: row.synced === 1,
    name: row.name,
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at,
  };
}

const listOfUser = new PreparedQuery((db, { userId }: { userId: string }) =>
  db.selectFrom("passkeys").select(COLUMNS).where("user_id", "=", userId).orderBy("id"),
);

/** A user's passkeys, oldest first. */
export async function listPasskeys(db: Database, userId: string): Promise<Passkey[]> {
  return (await listOfUser.all(db, { userId })).map(toPasskey);
}

const find = new PreparedQuery((db, { credentialId }: { credentialId: string }) =>
  db.selectFrom("passkeys").select(COLUMNS).where("credential_id", "=", credentialId),
);

export async function findPasskey(db: Database, credentialId: string): Promise<Passkey | undefined> {
  const row = await find.first(db, { credentialId });
  return row && toPasskey(row);
}

/** @returns false, with nothing written, when somebody has this credential */
export async function insertPasskey(db: Database, passkey: Passkey): Promise<boolean> {
  const result = await db
    .insertInto("passkeys")
    .values({
      id: passkey.id,
      user_id: passkey.userId,
      credential_id: passkey.credentialId,
      public_key: passkey.publicKey,
      counter: passkey.counter,
      transports: passkey.transports.join(" "),
      synced: passkey.synced ? 1 : 0,
      name: passkey.name,
      created_at: passkey.createdAt,
      last_used_at: passkey.lastUsedAt,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return Number(result.numInsertedOrUpdatedRows) === 1;
}

interface AcceptedCounter {
  credentialId: string;
  counter: number;
  now: number;
}

const accept = new PreparedQuery((db, { credentialId, counter, now }: AcceptedCounter) =>
  db
    .updateTable("passkeys")
    .set({ counter, last_used_at: now })
    .where("credential_id", "=", credentialId)
    .where(({ eb, and, or }) =>
      or([eb("counter", "<", counter), and([eb("counter", "=", 0), eb("counter", "=", counter)])]),
    ),
);

/**
 * Accepts the signature counter of a use (Web Authentication, 6.1.1).
 * @returns false when it did not grow, unless it has always been 0; or the passkey is gone
 */
export async function acceptPasskeyCounter(db: Database, accepted: AcceptedCounter): Promise<boolean> {
  return (await accept.run(db, accepted)) === 1;
}

/** @returns undefined when the user has no passkey with this id */
export async function renamePasskey(
  db: Database,
  { id, userId }: Pick<Passkey, "id" | "userId">,
  name: string,
): Promise<Passkey | undefined> {
  const row = await db
    .updateTable("passkeys")
    .set({ name })
    .where("id", "=", id)
    .where("user_id", "=", userId)
    .returning(COLUMNS)
    .executeTakeFirst();
  return row && toPasskey(row);
}

/** @returns whether the user had a passkey with this id */
export async function deletePasskey(
  db: Database,
  { id, userId }: Pick<Passkey, "id" | "userId">,
): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom("passkeys")
    .where("id", "=", id)
    .where("user_id", "=", userId)
    .executeTakeFirst();
  return Number(numDeletedRows) === 1;
}

export async function deletePasskeys(db: Database, userId: string): Promise<void> {
  await db.deleteFrom("passkeys").where("user_id", "=", userId).execute();
}
