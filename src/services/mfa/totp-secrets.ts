import { HOUR } from "../../clock.js";
import type { StoredSecrets } from "../../crypto/stored-secrets.js";
import { newTotpSecret, totpStepOf } from "../../crypto/totp.js";
import { LatchkeyError, WrongSecretKeyError } from "../../errors.js";
import type { Database } from "../../storage/database.js";
import type { AuthenticationMethod } from "../../storage/sessions.js";
import { listTotpSecrets, reencryptTotpSecret, type TotpSecret } from "../../storage/totp-secrets.js";
import { inBatches } from "../batches.js";
import type { Job } from "../jobs.js";

export interface TotpSecretsDeps {
  db: Database;
  secrets: StoredSecrets;
  /** Called after each run of the job with the number of secrets that no known SECRET_KEY decrypts. */
  onReencrypted: (unreadable: number) => void;
}

/** The authenticator app secrets, encrypted under SECRET_KEY. */
export class TotpSecrets {
  constructor(private readonly deps: TotpSecretsDeps) {}

  /** A new secret, in base32 and encrypted. It is not stored yet. */
  generate(userId: string): { secret: string; encryptedSecret: string } {
    const secret = newTotpSecret();
    return { secret, encryptedSecret: this.deps.secrets.encrypt(Buffer.from(secret), userId) };
  }

  /** The time step whose code this is; undefined for any other text. @throws WrongSecretKeyError */
  stepOf(
    { userId, encryptedSecret }: Pick<TotpSecret, "userId" | "encryptedSecret">,
    code: string,
    now: number,
  ): number | undefined {
    const decrypted = this.deps.secrets.decrypt(encryptedSecret, userId);
    if (decrypted === undefined) {
      throw new WrongSecretKeyError(
        "SECRET_KEY is not the one that an authenticator app's secret in the database is encrypted under: set that one as PREVIOUS_SECRET_KEY",
      );
    }
    return totpStepOf(decrypted.plain.toString(), code, now);
  }

  /**
   * Encrypts every secret that the previous SECRET_KEY encrypted under the current one. Skips those that neither
   * decrypts. Needed only while there is a previous SECRET_KEY.
   */
  reencryption(): Job {
    return { name: "totp-secrets", interval: HOUR, run: () => this.#reencryptAll() };
  }

  async #reencryptAll(): Promise<void> {
    let after = "";
    let unreadable = 0;
    await inBatches(async (limit) => {
      const page = await listTotpSecrets(this.deps.db, { after, limit });
      for (const { userId, encryptedSecret: from } of page) {
        after = userId;
        const decrypted = this.deps.secrets.decrypt(from, userId);
        if (decrypted === undefined) unreadable++;
        else if (decrypted.reencrypted !== undefined)
          await reencryptTotpSecret(this.deps.db, userId, { from, to: decrypted.reencrypted });
      }
      return page.length === limit;
    });
    this.deps.onReencrypted(unreadable);
  }
}

/** What a code proves: one of an authenticator app, or a recovery code. */
export const CODE_METHODS: readonly AuthenticationMethod[] = ["otp", "mfa"];

export function wrongCode(): LatchkeyError<"INVALID_CREDENTIALS"> {
  return new LatchkeyError("INVALID_CREDENTIALS", "The code is wrong, or was used already.");
}
