import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { derivedKey } from "./derived-key.js";

const IV_BYTES = 12;
const TAG_BYTES = 16;

/** Encrypts with AES-256-GCM under a key derived from a secret for one purpose. */
export class Encryption {
  readonly #key: Buffer;

  constructor(secret: string | Buffer, purpose: string) {
    this.#key = derivedKey(secret, purpose);
  }

  /** @param boundTo a public value that decryption needs too, such as the id of the row (the additional data of GCM) */
  encrypt(plain: Buffer, boundTo: string): string {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv("aes-256-gcm", this.#key, iv, { authTagLength: TAG_BYTES }).setAAD(
      Buffer.from(boundTo),
    );
    return Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString(
      "base64url",
    );
  }

  /** @returns undefined for another secret, purpose or `boundTo`, and for an altered text */
  decrypt(encrypted: string, boundTo: string): Buffer | undefined {
    const bytes = Buffer.from(encrypted, "base64url");
    if (bytes.length < IV_BYTES + TAG_BYTES) return undefined;
    const iv = bytes.subarray(0, IV_BYTES);
    const decipher = createDecipheriv("aes-256-gcm", this.#key, iv, { authTagLength: TAG_BYTES })
      .setAAD(Buffer.from(boundTo))
      .setAuthTag(bytes.subarray(-TAG_BYTES));
    try {
      return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]);
    } catch {
      return undefined;
    }
  }
}
