import type { Selectable } from "kysely";
import type { Database } from "./database.js";
import type { SigningKeyRow } from "./tables.js";

/** A key pair as it is kept: the private half is sealed under SECRET_KEY. */
export interface StoredSigningKey {
  kid: string;
  algorithm: string;
  publicJwk: Record<string, unknown>;
  sealedPrivateKey: string;
  createdAt: number;
}

function toStoredSigningKey(row: Selectable<SigningKeyRow>): StoredSigningKey {
  return {
    kid: row.kid,
    algorithm: row.algorithm,
    publicJwk: JSON.parse(row.public_jwk),
    sealedPrivateKey: row.sealed_private_key,
    createdAt: row.created_at,
  };
}

export async function listSigningKeys(db: Database): Promise<StoredSigningKey[]> {
  return (await db.selectFrom("signing_keys").selectAll().orderBy("created_at").execute()).map(
    toStoredSigningKey,
  );
}

/** Adds the key unless another process has already made one for its algorithm. */
export async function insertSigningKey(db: Database, key: StoredSigningKey): Promise<void> {
  await db
    .insertInto("signing_keys")
    .values({
      kid: key.kid,
      algorithm: key.algorithm,
      public_jwk: JSON.stringify(key.publicJwk),
      sealed_private_key: key.sealedPrivateKey,
      created_at: key.createdAt,
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}
