import type { Selectable } from "kysely";
import type { Algorithm } from "../config.js";
import type { Database } from "./database.js";
import type { SigningKeyRow } from "./tables.js";

/** A stored key pair. */
export interface StoredSigningKey {
  kid: string;
  algorithm: Algorithm;
  publicJwk: Record<string, unknown>;
  /** Encrypted under SECRET_KEY. */
  encryptedPrivateKey: string;
  createdAt: number;
  /** When the next key starts to sign; null for the newest. */
  supersededAt: number | null;
  /** The longest lifetime of the tokens it signs, in milliseconds; 0 until a signing process has loaded it. */
  tokenLifetime: number;
  /** When its last token expires; null for the newest. */
  expiresAt: number | null;
}

function toStoredSigningKey(row: Selectable<SigningKeyRow>): StoredSigningKey {
  return {
    kid: row.kid,
    algorithm: row.algorithm as Algorithm,
    publicJwk: JSON.parse(row.public_jwk),
    encryptedPrivateKey: row.sealed_private_key,
    createdAt: row.created_at,
    supersededAt: row.superseded_at,
    tokenLifetime: row.token_lifetime,
    expiresAt: row.superseded_at === null ? null : row.superseded_at + row.token_lifetime,
  };
}

/** Oldest first. */
export async function listSigningKeys(db: Database): Promise<StoredSigningKey[]> {
  const rows = await db.selectFrom("signing_keys").selectAll().orderBy("created_at").orderBy("kid").execute();
  return rows.map(toStoredSigningKey);
}

/** @returns false, without writing, when there already is a newest key */
export async function insertSigningKey(db: Database, key: StoredSigningKey): Promise<boolean> {
  const result = await db
    .insertInto("signing_keys")
    .values({
      kid: key.kid,
      algorithm: key.algorithm,
      public_jwk: JSON.stringify(key.publicJwk),
      sealed_private_key: key.encryptedPrivateKey,
      created_at: key.createdAt,
      superseded_at: key.supersededAt,
      token_lifetime: key.tokenLifetime,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return result.numInsertedOrUpdatedRows === 1n;
}

/**
 * Sets when the key stops signing.
 * @returns false, without writing, when it was set before
 */
export async function supersedeSigningKey(db: Database, kid: string, supersededAt: number): Promise<boolean> {
  const result = await db
    .updateTable("signing_keys")
    .set({ superseded_at: supersededAt })
    .where("kid", "=", kid)
    .where("superseded_at", "is", null)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** Raises the keys' token lifetime to this one, in milliseconds. A longer one stays. */
export async function raiseTokenLifetime(db: Database, kids: string[], tokenLifetime: number): Promise<void> {
  await db
    .updateTable("signing_keys")
    .set({ token_lifetime: tokenLifetime })
    .where("kid", "in", kids)
    .where("token_lifetime", "<", tokenLifetime)
    .execute();
}

/** Replaces a private key by the same key, encrypted under another SECRET_KEY. */
export async function replacePrivateKey(
  db: Database,
  kid: string,
  { from, to }: { from: string; to: string },
): Promise<void> {
  await db
    .updateTable("signing_keys")
    .set({ sealed_private_key: to })
    .where("kid", "=", kid)
    .where("sealed_private_key", "=", from)
    .execute();
}

/** @returns false when there is no such key, or it still signs */
export async function deleteSupersededSigningKey(db: Database, kid: string, now: number): Promise<boolean> {
  const result = await db
    .deleteFrom("signing_keys")
    .where("kid", "=", kid)
    .where("superseded_at", "<=", now)
    .executeTakeFirst();
  return result.numDeletedRows === 1n;
}

export async function deleteSigningKeysExpiredBefore(db: Database, before: number): Promise<void> {
  // No batches: there are only the keys that were rotated within the lifetime of a token.
  await db
    .deleteFrom("signing_keys")
    .where((key) => key(key("superseded_at", "+", key.ref("token_lifetime")), "<", before))
    .execute();
}
