import { type CryptoKey, importJWK } from "jose";
import { CLOCK_TOLERANCE, type Clock } from "../../clock.js";
import type { Algorithm } from "../../config.js";
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

/** How long the keys are taken as read, in milliseconds. */
const RELOAD_INTERVAL = 30_000;
/**
 * How long before it signs a new key is published, in milliseconds: all processes have read it by then, and
 * those who cached the key set (for RELOAD_INTERVAL at most) have asked again.
 */
const PUBLISHED_BEFORE = 2 * RELOAD_INTERVAL;
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
  /** Called when the keys could not be read again; those read before stay in use. */
  onReloadError: (error: unknown) => void;
}

/** The key pairs kept in the database: one signs, those before it verify until their last token has expired. */
export class SigningKeys implements KeyRing {
  #loaded: LoadedKeys | undefined;
  #loading: Promise<LoadedKeys> | undefined;

  constructor(private readonly deps: SigningKeysDeps) {}

  /**
   * The key to sign with; the first call of all makes it.
   * @throws WrongSecretKeyError when the stored key does not open; nothing is overwritten
   */
  async signingKey(): Promise<SigningKey> {
    const { stored, verificationKeys } = await this.#keys();
    const signs = this.#signing(stored);
    return { ...verificationKeys.get(signs.kid)!, sign: await this.deps.privateKeys.open(signs) };
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
   * Makes a new key of the same algorithm, which is published at once and signs a minute later. The old one verifies
   * until the last token it signed has expired. All that processes must agree on is taken from the database, not from
   * how this one was configured.
   * @returns the new key, and when it begins to sign
   * @throws NOT_FOUND when there is no key yet
   * @throws WrongSecretKeyError when the stored key does not open; nothing is written
   */
  async rotate(): Promise<{ kid: string; signsFrom: number }> {
    const signsFrom = this.deps.clock.now() + PUBLISHED_BEFORE;
    const stored = await listSigningKeys(this.deps.db);
    await this.#openSigning(stored);
    const { kid } = await this.#replace(newest(stored));
    if (this.#loaded !== undefined) await this.#reload();
    return { kid, signsFrom };
  }

  /** Removes a key that does not sign any more, before its last token has expired. @throws NOT_FOUND */
  async retire(kid: string): Promise<void> {
    await inTransaction(this.deps.db, async (transaction) => {
      if (!(await deleteSupersededSigningKey(transaction, kid, this.deps.clock.now()))) {
        throw new LatchkeyError(
          "NOT_FOUND",
          "There is no such key, or it still signs: rotate, and retire it a minute later.",
        );
      }
      await this.deps.audit.record(transaction, "SIGNING_KEY_RETIRED", { details: { kid } });
    });
    if (this.#loaded !== undefined) await this.#reload();
  }

  /** The oldest that has not been superseded yet: the next is only published. */
  #signing(stored: StoredSigningKey[]): StoredSigningKey {
    const now = this.deps.clock.now();
    return stored.find(({ supersededAt }) => supersededAt !== null && supersededAt > now) ?? newest(stored);
  }

  #isValid({ expiresAt }: StoredSigningKey): boolean {
    return expiresAt === null || expiresAt > this.deps.clock.now();
  }

  async #keys(): Promise<LoadedKeys> {
    if (this.#loaded === undefined) return this.#loadOnce(() => this.#loadFirst());
    // Either way: when the clock was set back, what was read is not taken as read until then.
    if (Math.abs(this.deps.clock.now() - this.#loaded.loadedAt) < RELOAD_INTERVAL) return this.#loaded;
    return this.#reload().catch((error: unknown) => {
      this.deps.onReloadError(error);
      return this.#loaded!;
    });
  }

  async #reload(): Promise<LoadedKeys> {
    // What is being read now may have been asked for before what the caller wants to see happened.
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

  /** Whether a process signs with it, now or later: one whose clock is behind still may. */
  #maySign({ supersededAt }: StoredSigningKey): boolean {
    return supersededAt === null || supersededAt > this.deps.clock.now() - CLOCK_TOLERANCE;
  }

  /** All that may still sign must open, before anything is written. @throws WrongSecretKeyError */
  async #openSigning(stored: StoredSigningKey[]): Promise<void> {
    for (const key of stored) if (this.#maySign(key)) await this.deps.privateKeys.open(key);
  }

  /** At the start: makes the first key, or one of another algorithm when ALGORITHM has changed. */
  async #loadFirst(): Promise<LoadedKeys> {
    const stored = await listSigningKeys(this.deps.db);
    await this.#openSigning(stored);
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
    // Before it signs with a key, a process notes for how long that has to verify.
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
      stored.map(async ({ kid, algorithm, publicJwk }) => ({
        kid,
        algorithm,
        verify: (await importJWK(publicJwk, algorithm)) as CryptoKey,
      })),
    );
    const verificationKeys = new Map(keys.map((key) => [key.kid, key]));
    return { loadedAt: this.deps.clock.now(), stored, verificationKeys };
  }

  /** Of several processes that replace one key at once, one makes the next, and all get it. */
  async #replace({ kid, algorithm }: Pick<StoredSigningKey, "kid" | "algorithm">): Promise<StoredSigningKey> {
    const now = this.deps.clock.now();
    const next = await this.deps.privateKeys.generate(algorithm, now);
    await inTransaction(this.deps.db, async (transaction) => {
      if (!(await supersedeSigningKey(transaction, kid, now + PUBLISHED_BEFORE))) return;
      await insertSigningKey(transaction, next);
      const details = { kid: next.kid, superseded: kid };
      await this.deps.audit.record(transaction, "SIGNING_KEY_ROTATED", { details });
    });
    return newest(await listSigningKeys(this.deps.db));
  }
}

function newest(stored: StoredSigningKey[]): StoredSigningKey {
  const key = stored.find(({ supersededAt }) => supersededAt === null);
  if (key === undefined)
    throw new LatchkeyError("NOT_FOUND", "There is no signing key yet: the server makes it.");
  return key;
}
