import type { Passwords } from "../../crypto/passwords.js";
import { LatchkeyError } from "../../errors.js";
import { findPasswordHash } from "../../storage/credentials.js";
import type { Database } from "../../storage/database.js";
import type { User } from "../../storage/users.js";
import type { Audit, Caller } from "../audit.js";
import type { PasswordQueue } from "../limits/password-queue.js";
import type { RateLimits } from "../limits/rate-limits.js";

export interface ReauthenticationDeps {
  db: Database;
  rateLimits: RateLimits;
  passwords: Passwords;
  passwordQueue: PasswordQueue;
  audit: Audit;
}

/** Asks a user who is signed in for the password again, before what cannot be undone. */
export class Reauthentication {
  constructor(private readonly deps: ReauthenticationDeps) {}

  /**
   * @returns the hash that the password was checked against, for `expectPassword`
   * @throws INVALID_CREDENTIALS, which counts as a failed login; RATE_LIMITED; OVERLOADED
   */
  async check(user: User, password: string, caller: Caller): Promise<string> {
    const attempter = await this.deps.rateLimits.identify(caller, { userId: user.id, name: user.username });
    return this.deps.passwordQueue.withSlot(attempter, () =>
      this.deps.rateLimits.guessPassword(attempter, async (succeeded) => {
        const hash = await findPasswordHash(this.deps.db, user.id);
        if ((await this.deps.passwords.verify(password, hash)) && hash !== undefined) {
          await succeeded(this.deps.db);
          return hash;
        }
        const details = { reason: "INVALID_CREDENTIALS" };
        await this.deps.audit.record(this.deps.db, "LOGIN_FAILED", { subjectId: user.id, caller, details });
        throw wrongPassword();
      }),
    );
  }
}

/**
 * Checks, once the user is locked, that the password is still the one that was verified: another change may have come
 * first.
 * @throws INVALID_CREDENTIALS
 */
export async function expectPassword(transaction: Database, userId: string, verified: string): Promise<void> {
  if ((await findPasswordHash(transaction, userId)) !== verified) throw wrongPassword();
}

function wrongPassword(): LatchkeyError<"INVALID_CREDENTIALS"> {
  return new LatchkeyError("INVALID_CREDENTIALS", "The password is wrong.");
}
