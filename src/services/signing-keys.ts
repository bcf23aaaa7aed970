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
import { LatchkeyError } from "../errors.js";
import type { Database } from "../storage/database.js";
import {
  deleteSupersededSigningKey,
  hasSigningKey,
  insertSigningKey,
  listSigningKeys,
  resealPrivateKey,
  type StoredSigningKey,
  supersedeSigningKey,
} from "../storage/signing-keys.js";
import type { Audit } from "./audit.js";

type AsymmetricAlgorithm = Exclude<Algorithm, "HS256">;

/** How long the keys are taken as read, in milliseconds. */
const RELOAD_INTERVAL = 30_000;
/** For so long after a rotation a process that has not noticed may sign with the old key. */
const FOLLOWS_WITHIN = 2 * RELOAD_INTERVAL;

/** The stored private key was sealed under another SECRET_KEY than the one given. */
export class WrongSecretKeyError extends Error {
  override readonly name = "WrongSecretKeyError";
}

interface LoadedKeys {
  loadedAt: number;
  signingKey: SigningKey;
  verificationKeys: Map<
    string,
    VerificationKey & { expiresAt: number | null; publicJwk: Record<string, unknown> }
  >;
}

export interface SigningKeysOptions {
  algorithm: AsymmetricAlgorithm;
  secretKey: () => string;
  /** The SECRET_KEY before this one: what it sealed is sealed anew. */
  previousSecretKey: string | undefined;
  /** How long an access token lives, in milliseconds. */
  accessTokenLifetime: number;
  /** Told when the keys could not be read again: those read before stay in use. */
  onReloadError: (error: unknown) => void;
}

/** The key pairs kept in the database, private halves sealed under SECRET_KEY. */
export class SigningKeys implements KeyRing {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #audit: Audit;
  readonly #options: SigningKeysOptions;
  #loaded: LoadedKeys | undefined;
  #loading: Promise<LoadedKeys> | undefined;

  constructor(deps: { db: Database; clock: Clock; audit: Audit }, options: SigningKeysOptions) {
    this.#db = deps.db;
    this.#clock = deps.clock;
    this.#audit = deps.audit;
    this.#options = options;
  }

  /**
   * The key to sign with; the first call of all makes it.
   * @throws WrongSecretKeyError when the stored key does not open; nothing is overwritten
   */
  async signingKey(): Promise<SigningKey> {
    return (await this.#keys()).signingKey;
  }

  async verificationKey(kid: string): Promise<VerificationKey | undefined> {
    let key = (await this.#keys()).verificationKeys.get(kid);
    // Another process may have rotated: only a key that exists is worth reading them all again.
    if (key === undefined && (await hasSigningKey(this.#db, kid))) {
      key = (await this.#reload()).verificationKeys.get(kid);
    }
    return key && this.#isValid(key) ? key : undefined;
  }

  async publicJwks(): Promise<{ keys: Record<string, unknown>[] }> {
    const keys = [...(await this.#keys()).verificationKeys.values()].filter((key) => this.#isValid(key));
    return {
      keys: keys.map(({ kid, algorithm, publicJwk }) => ({ ...publicJwk, kid, alg: algorithm, use: "sig" })),
    };
  }

  /** All keys that verify, oldest first; the last one signs. */
  async list(): Promise<StoredSigningKey[]> {
    await this.#keys();
    return (await listSigningKeys(this.#db)).filter((key) => this.#isValid(key));
  }

  /**
   * Makes a new key that signs from now on. The old one verifies until the last token it signed has
   * expired. Other processes follow within a minute.
   */
  async rotate(): Promise<StoredSigningKey> {
    await this.#keys();
    const { signingKey } = await this.#reload();
    const next = await this.#replace(signingKey.kid);
    await this.#reload();
    return next;
  }

  /** Removes a key that does not sign any more, before its last token has expired. @throws NOT_FOUND */
  async retire(kid: string): Promise<void> {
    await this.#db.transaction().execute(async (transaction) => {
      if (!(await deleteSupersededSigningKey(transaction, kid))) {
        throw new LatchkeyError(
          "NOT_FOUND",
          "There is no such key, or it is the one that signs: rotate first.",
        );
      }
      await this.#audit.record(transaction, "SIGNING_KEY_RETIRED", { details: { kid } });
    });
    await this.#reload();
  }

  #isValid({ expiresAt }: { expiresAt: number | null }): boolean {
    return expiresAt === null || expiresAt > this.#clock.now();
  }

  async #keys(): Promise<LoadedKeys> {
    if (this.#loaded === undefined) return this.#loadOnce(() => this.#loadFirst());
    if (this.#clock.now() < this.#loaded.loadedAt + RELOAD_INTERVAL) return this.#loaded;
    return this.#reload().catch((error: unknown) => {
      this.#options.onReloadError(error);
      return this.#loaded!;
    });
  }

  async #reload(): Promise<LoadedKeys> {
    // What is being read now may have been asked for before what the caller wants to see happened.
    await this.#loading?.catch(() => {});
    return this.#loadOnce(async () => {
      const stored = await listSigningKeys(this.#db);
      const current = stored.find(({ supersededAt }) => supersededAt === null);
      if (current === undefined) throw new Error("There is no signing key in the database");
      return this.#load(stored, current);
    });
  }

  async #loadOnce(load: () => Promise<LoadedKeys>): Promise<LoadedKeys> {
    this.#loading ??= load()
      .then((loaded) => {
        this.#loaded = loaded;
        return loaded;
      })
      .finally(() => {
        this.#loading = undefined;
      });
    return this.#loading;
  }

  /** At the start: makes the first key, or one of another algorithm when ALGORITHM has changed. */
  async #loadFirst(): Promise<LoadedKeys> {
    let stored = await listSigningKeys(this.#db);
    let current = stored.find(({ supersededAt }) => supersededAt === null);
    if (current !== undefined) await this.#unseal(current);
    if (current?.algorithm !== this.#options.algorithm) {
      if (current === undefined) await insertSigningKey(this.#db, await this.#generate());
      else await this.#replace(current.kid);
      stored = await listSigningKeys(this.#db);
      current = stored.find(({ supersededAt }) => supersededAt === null);
    }
    if (current === undefined) throw new Error("The signing key was removed while it was being read");
    return this.#load(stored, current);
  }

  async #load(stored: StoredSigningKey[], current: StoredSigningKey): Promise<LoadedKeys> {
    const keys = await Promise.all(
      stored.map(async ({ kid, algorithm, publicJwk, expiresAt }) => ({
        kid,
        algorithm: algorithm as AsymmetricAlgorithm,
        verify: (await importJWK(publicJwk, algorithm)) as CryptoKey,
        publicJwk,
        expiresAt,
      })),
    );
    const verificationKeys = new Map(keys.map((key) => [key.kid, key]));
    const before = this.#loaded?.signingKey;
    // While SECRET_KEY is being changed, a process that has the old one keeps the key it has.
    const signingKey =
      before?.kid === current.kid
        ? before
        : { ...verificationKeys.get(current.kid)!, sign: await this.#unseal(current) };
    return { loadedAt: this.#clock.now(), signingKey, verificationKeys };
  }

  /** Of several processes that replace one key at once, one makes the next, and all get it. */
  async #replace(kid: string): Promise<StoredSigningKey> {
    const next = await this.#generate();
    const now = this.#clock.now();
    const expiresAt = now + FOLLOWS_WITHIN + this.#options.accessTokenLifetime;
    const replaced = await this.#db.transaction().execute(async (transaction) => {
      if (!(await supersedeSigningKey(transaction, kid, { now, expiresAt }))) return false;
      await insertSigningKey(transaction, next);
      const details = { kid: next.kid, superseded: kid };
      await this.#audit.record(transaction, "SIGNING_KEY_ROTATED", { details });
      return true;
    });
    if (replaced) return next;
    const current = (await listSigningKeys(this.#db)).find(({ supersededAt }) => supersededAt === null);
    if (current === undefined) throw new Error("There is no signing key in the database");
    return current;
  }

  async #generate(): Promise<StoredSigningKey> {
    const { algorithm } = this.#options;
    const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
    const publicJwk = await exportJWK(publicKey);
    const kid = await calculateJwkThumbprint(publicJwk);
    return {
      kid,
      algorithm,
      publicJwk: { ...publicJwk },
      sealedPrivateKey: this.#sealer().seal(Buffer.from(await exportPKCS8(privateKey)), kid),
      createdAt: this.#clock.now(),
      supersededAt: null,
      expiresAt: null,
    };
  }

  async #unseal({ kid, algorithm, sealedPrivateKey }: StoredSigningKey): Promise<CryptoKey> {
    const sealed = sealedPrivateKey ?? "";
    const pkcs8 = this.#sealer().open(sealed, kid) ?? (await this.#resealFromPrevious(kid, sealed));
    if (pkcs8 === undefined) {
      throw new WrongSecretKeyError(
        "SECRET_KEY is not the one the signing key in the database was sealed under: start with that one, or give it as PREVIOUS_SECRET_KEY",
      );
    }
    return importPKCS8(pkcs8.toString(), algorithm);
  }

  async #resealFromPrevious(kid: string, sealed: string): Promise<Buffer | undefined> {
    const { previousSecretKey } = this.#options;
    const pkcs8 = previousSecretKey && new Sealer(previousSecretKey, SEALED_FOR).open(sealed, kid);
    if (!pkcs8) return undefined;
    await resealPrivateKey(this.#db, kid, { from: sealed, to: this.#sealer().seal(pkcs8, kid) });
    return pkcs8;
  }

  #sealer(): Sealer {
    return new Sealer(this.#options.secretKey(), SEALED_FOR);
  }
}

const SEALED_FOR = "signing key";
