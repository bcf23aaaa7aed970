import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  exportPKCS8,
  generateKeyPair,
  importPKCS8,
} from "jose";
import type { Algorithm } from "../../config.js";
import { Encryption } from "../../crypto/encryption.js";
import { WrongSecretKeyError } from "../../errors.js";
import type { Database } from "../../storage/database.js";
import { replacePrivateKey, type StoredSigningKey } from "../../storage/signing-keys.js";

const PURPOSE = "signing key";

export interface PrivateKeysDeps {
  db: Database;
  secretKey: () => string;
  /** The SECRET_KEY before this one; what it encrypted is encrypted again with the current one. */
  previousSecretKey: string | undefined;
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
    const encryptedPrivateKey = this.#encryption().encrypt(Buffer.from(await exportPKCS8(privateKey)), kid);
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
    const pkcs8 =
      this.#encryption().decrypt(encryptedPrivateKey, kid) ??
      (await this.#encryptAgain(kid, encryptedPrivateKey));
    if (pkcs8 === undefined) {
      throw new WrongSecretKeyError(
        "SECRET_KEY is not the one that the signing key in the database is encrypted under: start with that one, or set it as PREVIOUS_SECRET_KEY",
      );
    }
    const key = await importPKCS8(pkcs8.toString(), algorithm);
    this.#decrypted.set(kid, key);
    return key;
  }

  /** Decrypts a key with the previous SECRET_KEY, and encrypts it under the current one. */
  async #encryptAgain(kid: string, encrypted: string): Promise<Buffer | undefined> {
    if (this.deps.previousSecretKey === undefined) return undefined;
    const pkcs8 = new Encryption(this.deps.previousSecretKey, PURPOSE).decrypt(encrypted, kid);
    if (pkcs8 !== undefined) {
      const to = this.#encryption().encrypt(pkcs8, kid);
      await replacePrivateKey(this.deps.db, kid, { from: encrypted, to });
    }
    return pkcs8;
  }

  #encryption(): Encryption {
    return new Encryption(this.deps.secretKey(), PURPOSE);
  }
}
