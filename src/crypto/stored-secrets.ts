import { Encryption } from "./encryption.js";

/** A secret that was decrypted. */
interface Decrypted {
  plain: Buffer;
  /** Its form under the current SECRET_KEY, to store in place of one under the previous; undefined when it is current. */
  reencrypted: string | undefined;
}

/** Part of the derived keys: what is stored depends on it. */
export type SecretPurpose = "signing key" | "authenticator secret";

export interface StoredSecretsDeps {
  secretKey: () => string;
  /** The SECRET_KEY before this one. */
  previousSecretKey: string | undefined;
}

/** Encrypts the secrets of one purpose that the database keeps, and follows a change of SECRET_KEY. */
export class StoredSecrets {
  constructor(
    private readonly deps: StoredSecretsDeps,
    private readonly purpose: SecretPurpose,
  ) {}

  /** @param boundTo a public value that decryption needs too, such as the id of the row */
  encrypt(plain: Buffer, boundTo: string): string {
    return new Encryption(this.deps.secretKey(), this.purpose).encrypt(plain, boundTo);
  }

  /** @returns undefined when it was encrypted under neither the current SECRET_KEY nor the previous one */
  decrypt(encrypted: string, boundTo: string): Decrypted | undefined {
    const plain = new Encryption(this.deps.secretKey(), this.purpose).decrypt(encrypted, boundTo);
    if (plain !== undefined) return { plain, reencrypted: undefined };
    if (this.deps.previousSecretKey === undefined) return undefined;
    const previous = new Encryption(this.deps.previousSecretKey, this.purpose).decrypt(encrypted, boundTo);
    return previous && { plain: previous, reencrypted: this.encrypt(previous, boundTo) };
  }
}
