import { DAY } from "../../clock.js";
import type { StoredSecrets } from "../../crypto/stored-secrets.js";
import { newTotpSecret, totpStepOf } from "../../crypto/totp.js";
import { LatchkeyError, WrongSecretKeyError } from "../../errors.js";
import type { Database } from "../../storage/database.js";
import { listTotpSecrets, reencryptTotpSecret, type TotpSecret } from "../../storage/totp-secrets.js";
import { inBatches } from "../batches.js";
import type { Job } from "../jobs.js";

export interface TotpSecretsDeps {
  db: Database;
  secrets: StoredSecrets;
}

/** The secrets of authenticator apps, encrypted under SECRET_KEY. */
export class TotpSecrets {
  constructor(private readonly deps: TotpSecretsDeps) {}

  /** A new secret, in base32 and encrypted. It is not stored yet. */
  generate(userId: string): { secret: string; encryptedSecret: string } {
    const secret = newTotpSecret();
    return { secret, encryptedSecret: this.deps.secrets.encrypt(Buffer.from(secret), userId) };
  }

  /** The time step whose code this is; undefined for any other text. @throws WrongSecretKeyError */
  stepOf(
    stored: Pick<TotpSecret, "userId" | "encryptedSecret">,
    code: string,
    now: number,
  ): number | undefined {
    return totpStepOf(this.#decrypt(stored).plain.toString(), code, now);
  }

  /** Encrypts every secret that the previous SECRET_KEY encrypted under the current one. */
  reencryption(): Job {
    return {
      name: "totp-secrets",
      interval: DAY,
      run: async () => {
        let after = "";
        await inBatches(async (limit) => {
          const page = await listTotpSecrets(this.deps.db, { after, limit });
          for (const stored of page) {
            const to = this.#decrypt(stored).reencrypted;
            if (to !== undefined)
              await reencryptTotpSecret(this.deps.db, stored.userId, { from: stored.encryptedSecret, to });
            after = stored.userId;
          }
          return page.length === limit;
        });
      },
    };
  }

  #decrypt({ userId, encryptedSecret }: Pick<TotpSecret, "userId" | "encryptedSecret">) {
    const decrypted = this.deps.secrets.decrypt(encryptedSecret, userId);
    if (decrypted === undefined) {
      throw new WrongSecretKeyError(
        "SECRET_KEY is not the one that an authenticator's secret in the database is encrypted under: set that one as PREVIOUS_SECRET_KEY",
      );
    }
    return decrypted;
  }
}

export function wrongCode(): LatchkeyError<"INVALID_CREDENTIALS"> {
  return new LatchkeyError("INVALID_CREDENTIALS", "The code is wrong, or was used already.");
}
