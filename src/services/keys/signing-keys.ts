import { type CryptoKey, importJWK } from "jose";
import { CLOCK_TOLERANCE, type Clock, SECOND } from "../../clock.js";
import { type Algorithm, MIN_KEY_ANNOUNCE_SECONDS } from "../../config.js";
import type { KeyRing, SigningKey, VerificationKey } from "../../crypto/key-ring.js";
import { LatchkeyError } from "../../errors.js";
import { type Database, inTransaction } from "../../storage/database.js";
import {
  deleteSupersededSigningKey,
  insertSigningKey,
  listSigningKeys,
  raiseTokenLifetime,
  type StoredSigningKey,
  supersedeSigningKey,
} from "../../storage/signing-keys.js";
import type { Audit } from "../audit.js";
import type { PrivateKeys } from "./private-keys.js";

/** How long loaded keys are used before they are loaded again, in milliseconds. */
const RELOAD_INTERVAL = (MIN_KEY_ANNOUNCE_SECONDS * SECOND) / 2;
/** An RFC 7638 thumbprint. */
const KID = /^[\w-]{43}$/;

interface LoadedKeys {
  loadedAt: number;
  /** Oldest first. */
  stored: StoredSigningKey[];
  verificationKeys: Map<string, VerificationKey>;
}

export interface SigningKeysDeps {
  db: Database;
  clock: Clock;
  audit: Audit;
  privateKeys: PrivateKeys;
  algorithm: Exclude<Algorithm, "HS256">;
  /** In milliseconds. */
  accessTokenLifetime: number;
  /**
   * How long a new key is published before it signs, in milliseconds. By then all processes have loaded it, and caches of
   * the key set have expired.
   */
  announced: number;
  /** Called when the keys could not be loaded again. The loaded ones stay in use. */
  onReloadError: (error: unknown) => void;
}

/** The key pairs in the database. One signs; older ones verify until their last token has expired. */
export class SigningKeys implements KeyRing {
  #loaded: LoadedKeys | undefined;
  #loading: Promise<LoadedKeys> | undefined;

  constructor(private readonly deps: SigningKeysDeps) {}

  /**
   * The key to sign with. The very first call creates it.
   * @throws WrongSecretKeyError when the stored key cannot be decrypted; nothing is overwritten
   */
  async signingKey(): Promise<SigningKey> {
    const { stored, verificationKeys } = await this.#keys();
    const signs = this.#signing(stored);
    return { ...verificationKeys.get(signs.kid)!, sign: await this.deps.privateKeys.decrypt(signs) };
  }

  async verificationKey(kid: string): Promise<VerificationKey | undefined> {
    if (!KID.test(kid)) return undefined;
    const keys = await this.#keys();
    const isValid = keys.stored.some((key) => key.kid === kid && this.#isValid(key));
    return isValid ? keys.verificationKeys.get(kid) : undefined;
  }

  async publicJwks(): Promise<{ keys: Record<string, unknown>[] }> {
    const { stored } = await this.#keys();
    const valid = stored.filter((key) => this.#isValid(key));
    return {
      keys: valid.map(({ kid, algorithm, publicJwk }) => ({ ...publicJwk, kid, alg: algorithm, use: "sig" })),
    };
  }

  /** All keys that verify, oldest first. */
  async list(): Promise<StoredSigningKey[]> {
    return (await listSigningKeys(this.deps.db)).filter((key) => this.#isValid(key));
  }

  /**
   * Creates a key of the same algorithm, which is published immediately and signs once it has been announced. The old key verifies
   * until its last token has expired. The algorithm and the lifetime come from the database, not from the configuration
   * of this process, because processes must agree on them.
   * @returns the new key, and when it starts to sign
   * @throws NOT_FOUND when there is no key yet
   * @throws WrongSecretKeyError when the stored key cannot be decrypted; nothing is written
   */
  async rotate(): Promise<{ kid: string; signsFrom: number }> {
    const signsFrom = this.deps.clock.now() + this.deps.announced;
    const stored = await listSigningKeys(this.deps.db);
    await this.#decryptSigning(stored);
    const { kid } = await this.#replace(newest(stored));
    if (this.#loaded !== undefined) await this.#reload();
    return { kid, signsFrom };
  }

  /** Deletes a key that no longer signs, before its last token has expired. @throws NOT_FOUND */
  async retire(kid: string): Promise<void> {
    await inTransaction(this.deps.db, async (transaction) => {
      if (!(await deleteSupersededSigningKey(transaction, kid, this.deps.clock.now()))) {
        throw new LatchkeyError(
          "NOT_FOUND",
          "There is no such key, or it still signs: rotate, and retire it when the new key signs.",
        );
      }
      await this.deps.audit.record(transaction, "SIGNING_KEY_RETIRED", { details: { kid } });
    });
    if (this.#loaded !== undefined) await this.#reload();
  }

  /** The oldest key that has not been superseded yet. A newer one is only published. */
  #signing(stored: StoredSigningKey[]): StoredSigningKey {
    const now = this.deps.clock.now();
    return stored.find(({ supersededAt }) => supersededAt !== null && supersededAt > now) ?? newest(stored);
  }

  #isValid({ expiresAt }: StoredSigningKey): boolean {
    return expiresAt === null || expiresAt > this.deps.clock.now();
  }

  async #keys(): Promise<LoadedKeys> {
    if (this.#loaded === undefined) return this.#loadOnce(() => this.#loadFirst());
    // The absolute value: after the clock was set back, the keys must not be used until it catches up.
    if (Math.abs(this.deps.clock.now() - this.#loaded.loadedAt) < RELOAD_INTERVAL) return this.#loaded;
    return this.#reload().catch((error: unknown) => {
      this.deps.onReloadError(error);
      return this.#loaded!;
    });
  }

  async #reload(): Promise<LoadedKeys> {
    // A load that is under way may have started before the change that the caller wants to see.
    await this.#loading?.catch(() => {});
    return this.#loadOnce(() => this.#load());
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

  /** Whether a process signs with the key, now or later. A process whose clock is behind may still sign. */
  #maySign({ supersededAt }: StoredSigningKey): boolean {
    return supersededAt === null || supersededAt > this.deps.clock.now() - CLOCK_TOLERANCE;
  }

  /** Decrypts all keys that may still sign, before anything is written. @throws WrongSecretKeyError */
  async #decryptSigning(stored: StoredSigningKey[]): Promise<void> {
    for (const key of stored) if (this.#maySign(key)) await this.deps.privateKeys.decrypt(key);
  }

  /** At startup: creates the first key, or one of another algorithm when ALGORITHM has changed. */
  async #loadFirst(): Promise<LoadedKeys> {
    const stored = await listSigningKeys(this.deps.db);
    await this.#decryptSigning(stored);
    const algorithm = this.deps.algorithm;
    if (stored.length === 0) {
      const first = await this.deps.privateKeys.generate(algorithm, this.deps.clock.now());
      await inTransaction(this.deps.db, async (transaction) => {
        if (!(await insertSigningKey(transaction, first))) return;
        await this.deps.audit.record(transaction, "SIGNING_KEY_ROTATED", { details: { kid: first.kid } });
      });
    } else if (newest(stored).algorithm !== algorithm) {
      await this.#replace({ ...newest(stored), algorithm });
    }
    return this.#load();
  }

  async #load(): Promise<LoadedKeys> {
    let stored = await listSigningKeys(this.deps.db);
    // Before a process signs with a key, it stores how long the key must verify.
    const tokenLifetime = this.deps.accessTokenLifetime;
    const short = stored.filter((key) => this.#maySign(key) && key.tokenLifetime < tokenLifetime);
    if (short.length > 0) {
      await raiseTokenLifetime(
        this.deps.db,
        short.map(({ kid }) => kid),
        tokenLifetime,
      );
      stored = await listSigningKeys(this.deps.db);
    }
    const keys = await Promise.all(
      stored.map(
        // A kid is the thumbprint of its key. The same object, so that its tokens stay remembered.
        async (key) => this.#loaded?.verificationKeys.get(key.kid) ?? importVerificationKey(key),
      ),
    );
    const verificationKeys = new Map(keys.map((key) => [key.kid, key]));
    return { loadedAt: this.deps.clock.now(), stored, verificationKeys };
  }

  /** Of several processes that replace one key concurrently, one creates the next, and all return it. */
  async #replace({ kid, algorithm }: Pick<StoredSigningKey, "kid" | "algorithm">): Promise<StoredSigningKey> {
    const now = this.deps.clock.now();
    const next = await this.deps.privateKeys.generate(algorithm, now);
    await inTransaction(this.deps.db, async (transaction) => {
      if (!(await supersedeSigningKey(transaction, kid, now + this.deps.announced))) return;
      await insertSigningKey(transaction, next);
      const details = { kid: next.kid, superseded: kid };
      await this.deps.audit.record(transaction, "SIGNING_KEY_ROTATED", { details });
    });
    return newest(await listSigningKeys(this.deps.db));
  }
}

async function importVerificationKey({
  kid,
  algorithm,
  publicJwk,
}: StoredSigningKey): Promise<VerificationKey> {
  return { kid, algorithm, verify: (await importJWK(publicJwk, algorithm)) as CryptoKey };
}

function newest(stored: StoredSigningKey[]): StoredSigningKey {
  const key = stored.find(({ supersededAt }) => supersededAt === null);
  if (key === undefined)
    throw new LatchkeyError(
      "NOT_FOUND",
      "There is no signing key yet. The server creates it when it starts.",
    );
  return key;
}
