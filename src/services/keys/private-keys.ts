import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  exportPKCS8,
  generateKeyPair,
  importPKCS8,
} from "jose";
import type { Algorithm } from "../../config.js";
import type { StoredSecrets } from "../../crypto/stored-secrets.js";
import { WrongSecretKeyError } from "../../errors.js";
import type { Database } from "../../storage/database.js";
import { replacePrivateKey, type StoredSigningKey } from "../../storage/signing-keys.js";

export interface PrivateKeysDeps {
  db: Database;
  secrets: StoredSecrets;
}

/** Generates private keys, and encrypts them under SECRET_KEY. */
export class PrivateKeys {
  readonly #decrypted = new Map<string, CryptoKey>();

  constructor(private readonly deps: PrivateKeysDeps) {}

  /** Generates a key pair, without storing it. */
  async generate(algorithm: Algorithm, now: number): Promise<StoredSigningKey> {
    const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
    const publicJwk = await exportJWK(publicKey);
    const kid = await calculateJwkThumbprint(publicJwk);
    // A leading hyphen would make it an option where an operator names it in a command.
    if (kid.startsWith("-")) return this.generate(algorithm, now);
    const encryptedPrivateKey = this.deps.secrets.encrypt(Buffer.from(await exportPKCS8(privateKey)), kid);
    return {
      kid,
      algorithm,
      publicJwk: { ...publicJwk },
      encryptedPrivateKey,
      createdAt: now,
      supersededAt: null,
      tokenLifetime: 0,
      expiresAt: null,
    };
  }

  /** Decrypts a stored key. @throws WrongSecretKeyError when it cannot be decrypted; nothing is overwritten */
  async decrypt({ kid, algorithm, encryptedPrivateKey }: StoredSigningKey): Promise<CryptoKey> {
    const known = this.#decrypted.get(kid);
    if (known !== undefined) return known;
    const decrypted = this.deps.secrets.decrypt(encryptedPrivateKey, kid);
    if (decrypted === undefined) {
      throw new WrongSecretKeyError(
        "SECRET_KEY is not the one that the signing key in the database is encrypted under: start with that one, or set it as PREVIOUS_SECRET_KEY",
      );
    }
    const { plain, reencrypted: to } = decrypted;
    if (to !== undefined) await replacePrivateKey(this.deps.db, kid, { from: encryptedPrivateKey, to });
    const key = await importPKCS8(plain.toString(), algorithm);
    this.#decrypted.set(kid, key);
    return key;
  }
}
