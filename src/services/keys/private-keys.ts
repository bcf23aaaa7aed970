import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  exportPKCS8,
  generateKeyPair,
  importPKCS8,
} from "jose";
import type { Algorithm } from "../../config.js";
import { Sealer } from "../../crypto/encryption.js";
import type { Database } from "../../storage/database.js";
import { resealPrivateKey, type StoredSigningKey } from "../../storage/signing-keys.js";

const PURPOSE = "signing key";

export interface PrivateKeysDeps {
  db: Database;
  secretKey: () => string;
  /** The SECRET_KEY before this one; what it encrypted is encrypted again with the current one. */
  previousSecretKey: string | undefined;
}

/** A stored private key was sealed under another SECRET_KEY than the one given. */
export class WrongSecretKeyError extends Error {
  override readonly name = "WrongSecretKeyError";
}

/** Makes private keys, and keeps them sealed under SECRET_KEY. */
export class PrivateKeys {
  readonly #opened = new Map<string, CryptoKey>();

  constructor(private readonly deps: PrivateKeysDeps) {}

  /** A new key pair, not yet written. */
  async generate(algorithm: Algorithm, now: number): Promise<StoredSigningKey> {
    const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
    const publicJwk = await exportJWK(publicKey);
    const kid = await calculateJwkThumbprint(publicJwk);
    // It would be taken for an option where an operator names it in a command.
    if (kid.startsWith("-")) return this.generate(algorithm, now);
    const sealedPrivateKey = this.#sealer().seal(Buffer.from(await exportPKCS8(privateKey)), kid);
    return {
      kid,
      algorithm,
      publicJwk: { ...publicJwk },
      sealedPrivateKey,
      createdAt: now,
      supersededAt: null,
      tokenLifetime: 0,
      expiresAt: null,
    };
  }

  /** @throws WrongSecretKeyError when it does not open; nothing is overwritten */
  async open({ kid, algorithm, sealedPrivateKey }: StoredSigningKey): Promise<CryptoKey> {
    const opened = this.#opened.get(kid);
    if (opened !== undefined) return opened;
    const pkcs8 =
      this.#sealer().open(sealedPrivateKey, kid) ?? (await this.#resealFromPrevious(kid, sealedPrivateKey));
    if (pkcs8 === undefined) {
      throw new WrongSecretKeyError(
        "SECRET_KEY is not the one the signing key in the database was sealed under: start with that one, or give it as PREVIOUS_SECRET_KEY",
      );
    }
    const key = await importPKCS8(pkcs8.toString(), algorithm);
    this.#opened.set(kid, key);
    return key;
  }

  async #resealFromPrevious(kid: string, sealed: string): Promise<Buffer | undefined> {
    if (this.deps.previousSecretKey === undefined) return undefined;
    const pkcs8 = new Sealer(this.deps.previousSecretKey, PURPOSE).open(sealed, kid);
    if (pkcs8 !== undefined) {
      await resealPrivateKey(this.deps.db, kid, { from: sealed, to: this.#sealer().seal(pkcs8, kid) });
    }
    return pkcs8;
  }

  #sealer(): Sealer {
    return new Sealer(this.deps.secretKey(), PURPOSE);
  }
}
