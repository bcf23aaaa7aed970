import { createHash, randomBytes } from "node:crypto";

/** A token that means nothing but itself: 256 random bits, base64url. */
export function newOpaqueToken(): string {
  return randomBytes(32).toString("base64url");
}

/** What is kept of an opaque token. It has 256 bits of its own, so a plain SHA-256 does. */
export function hashOpaqueToken(token: string): string {
  return createHash("sha256").update(token).digest("base64url");
}
