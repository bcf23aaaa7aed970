import { hkdfSync } from "node:crypto";

/** A key of 256 bits for one purpose, derived from a secret (HKDF-SHA-256, RFC 5869). */
export function derivedKey(secret: string | Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, "", `latchkey ${purpose} v1`, 32));
}
