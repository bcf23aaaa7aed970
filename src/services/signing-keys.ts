import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  exportPKCS8,
  generateKeyPair,
  importJWK,
  importPKCS8,
} from "jose";
import type { Clock } from "../clock.js";
import type { Algorithm } from "../config.js";
import type { KeyRing, SigningKey, VerificationKey } from "../crypto/access-tokens.js";
import { Sealer } from "../crypto/sealing.js";
import type { Database } from "../storage/database.js";
import { insertSigningKey, listSigningKeys, type StoredSigningKey } from "../storage/signing-keys.js";

type AsymmetricAlgorithm = Exclude<Algorithm, "HS256">;

/** The stored private keys were sealed under another SECRET_KEY than the one given. */
export class WrongSecretKeyError extends Error {
  override readonly name = "WrongSecretKeyError";
}

interface LoadedKeys {
  signingKey: SigningKey;
  verificationKeys: Map<string, VerificationKey>;
  publicJwks: Record<string, unknown>[];
}

/** The key pairs kept in the database, private halves sealed under SECRET_KEY. */
export class SigningKeys implements KeyRing {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #algorithm: AsymmetricAlgorithm;
  readonly #secretKey: () => string;
  #loaded: Promise<LoadedKeys> | undefined;

  constructor(deps: { db: Database; clock: Clock; algorithm: AsymmetricAlgorithm; secretKey: () => string }) {
    this.#db = deps.db;
    this.#clock = deps.clock;
    this.#algorithm = deps.algorithm;
    this.#secretKey = deps.secretKey;
  }

  /**
   * The key to sign with; the first call of all makes it.
   * @throws WrongSecretKeyError when the stored key does not open; nothing is overwritten
   */
  async signingKey(): Promise<SigningKey> {
    return (await this.#keys()).signingKey;
  }

  async verificationKey(kid: string): Promise<VerificationKey | undefined> {
    return (await this.#keys()).verificationKeys.get(kid);
  }

  async publicJwks(): Promise<{ keys: Record<string, unknown>[] }> {
    return { keys: (await this.#keys()).publicJwks };
  }

  async #keys(): Promise<LoadedKeys> {
    this.#loaded ??= this.#load().catch((error: unknown) => {
      this.#loaded = undefined;
      throw error;
    });
    return this.#loaded;
  }

  async #load(): Promise<LoadedKeys> {
    const sealer = new Sealer(this.#secretKey(), "signing key");
    let stored = await listSigningKeys(this.#db);
    if (!stored.some(({ algorithm }) => algorithm === this.#algorithm)) {
      await insertSigningKey(this.#db, await generate(this.#algorithm, sealer, this.#clock));
      stored = await listSigningKeys(this.#db);
    }
    const current = stored.find(({ algorithm }) => algorithm === this.#algorithm);
    if (current === undefined) throw new Error("The signing key was removed while it was being loaded");
    const verificationKeys = await Promise.all(stored.map(toVerificationKey));
    return {
      signingKey: await unsealSigningKey(current, sealer),
      verificationKeys: new Map(verificationKeys.map((key) => [key.kid, key])),
      publicJwks: stored.map(({ kid, algorithm, publicJwk }) => ({
        ...publicJwk,
        kid,
        alg: algorithm,
        use: "sig",
      })),
    };
  }
}

async function generate(
  algorithm: AsymmetricAlgorithm,
  sealer: Sealer,
  clock: Clock,
): Promise<StoredSigningKey> {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
  const publicJwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(publicJwk);
  return {
    kid,
    algorithm,
    publicJwk: { ...publicJwk },
    sealedPrivateKey: sealer.seal(Buffer.from(await exportPKCS8(privateKey)), kid),
    createdAt: clock.now(),
  };
}

async function toVerificationKey({ kid, algorithm, publicJwk }: StoredSigningKey): Promise<VerificationKey> {
  return {
    kid,
    algorithm: algorithm as AsymmetricAlgorithm,
    verify: (await importJWK(publicJwk, algorithm)) as CryptoKey,
  };
}

async function unsealSigningKey(stored: StoredSigningKey, sealer: Sealer): Promise<SigningKey> {
  const pkcs8 = sealer.open(stored.sealedPrivateKey, stored.kid);
  if (pkcs8 === undefined) {
    throw new WrongSecretKeyError(
      "SECRET_KEY is not the one the signing keys in the database were sealed under: start with that one",
    );
  }
  const sign = await importPKCS8(pkcs8.toString(), stored.algorithm);
  return { ...(await toVerificationKey(stored)), sign };
}
