import { createHash, randomBytes } from "node:crypto";

/** A new opaque token: 256 random bits in base64url. */
export function newOpaqueToken(): string {
  return randomBytes(32).toString("base64url");
}

/** The stored form of an opaque token. A plain SHA-256 is enough for 256 random bits. */
export function hashOpaqueToken(token: string): string {
  return createHash("sha256").update(token).digest("base64url");
}
