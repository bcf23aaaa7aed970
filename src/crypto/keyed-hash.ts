import { createHmac } from "node:crypto";
import { derivedKey } from "./derived-key.js";

/** Replaces a text that must not be stored: HMAC-SHA-256 under a key derived from a secret for one purpose. */
export class KeyedHash {
  #key: Buffer | undefined;

  constructor(
    private readonly secret: () => string,
    private readonly purpose: string,
  ) {}

  /** @returns base64url, the same for the same text */
  of(text: string): string {
    this.#key ??= derivedKey(this.secret(), this.purpose);
    return createHmac("sha256", this.#key).update(text).digest("base64url");
  }
}
