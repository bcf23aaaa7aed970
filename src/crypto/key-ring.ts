import type { CryptoKey } from "jose";
import type { Algorithm } from "../config.js";

/** A key for exactly one algorithm, identified by its `kid`. */
export interface VerificationKey {
  kid: string;
  algorithm: Algorithm;
  verify: CryptoKey;
}

export interface SigningKey extends VerificationKey {
  sign: CryptoKey;
}

/** The source of keys: the database (services/keys/signing-keys.ts), or SECRET_KEY itself with HS256. */
export interface KeyRing {
  signingKey(): Promise<SigningKey>;
  verificationKey(kid: string): Promise<VerificationKey | undefined>;
  /** The public keys, for other services to verify with (RFC 7517). */
  publicJwks(): Promise<{ keys: Record<string, unknown>[] }>;
}

/** HS256: SECRET_KEY signs and verifies, byte for byte as python-jose would use it. There is no public key. */
export class SecretKeyRing implements KeyRing {
  #key: Promise<SigningKey> | undefined;

  constructor(private readonly secretKey: () => string) {}

  async signingKey(): Promise<SigningKey> {
    this.#key ??= importSecretKey(this.secretKey());
    return this.#key;
  }

  async verificationKey(kid: string): Promise<VerificationKey | undefined> {
    const key = await this.signingKey();
    return kid === key.kid ? key : undefined;
  }

  async publicJwks(): Promise<{ keys: Record<string, unknown>[] }> {
    return { keys: [] };
  }
}

async function importSecretKey(secretKey: string): Promise<SigningKey> {
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", Buffer.from(secretKey), hmac, false, ["sign", "verify"]);
  return { kid: "HS256", algorithm: "HS256", sign: key, verify: key };
}
