import { createHmac } from "node:crypto";
import { derivedKey } from "./derived-key.js";

/** Stands in for a text that must not be kept: HMAC-SHA-256 under a key derived from a secret for one purpose. */
export class KeyedHash {
  #key: Buffer | undefined;

  constructor(
    private readonly secret: () => string,
    private readonly purpose: string,
  ) {}

  /** @returns the same base64url for the same text */
  of(text: string): string {
    this.#key ??= derivedKey(this.secret(), this.purpose);
    return createHmac("sha256", this.#key).update(text).digest("base64url");
  }
}
