import type { Clock } from "../../clock.js";
import { LatchkeyError } from "../../errors.js";
import { type Database, inTransaction } from "../../storage/database.js";
import { countRecoveryCodes } from "../../storage/recovery-codes.js";
import type { Outbox } from "../email/outbox.js";
import { hasSecondFactor, RECENTLY } from "../sessions/recent-authentication.js";
import { type Actor, authorize, changedBy } from "../sessions/viewer.js";
import type { Factors } from "./factors.js";

export interface RecoveryCodesDeps {
  db: Database;
  clock: Clock;
  factors: Factors;
  outbox: Outbox;
}

/** A user's recovery codes, for when their second factors are lost. */
export class RecoveryCodes {
  constructor(private readonly deps: RecoveryCodesDeps) {}

  /** How many a user has not used. */
  async count(userId: string): Promise<number> {
    return countRecoveryCodes(this.deps.db, userId);
  }

  /** Replaces them. @returns the new ones @throws UNAUTHENTICATED; NOT_FOUND without a second factor */
  async regenerate(actor: Actor): Promise<string[]> {
    const codes = await inTransaction(this.deps.db, async (transaction) => {
      const { user } = await authorize(transaction, actor, { now: this.deps.clock.now(), ...RECENTLY });
      if (!hasSecondFactor(user.mfaMethods))
        throw new LatchkeyError("NOT_FOUND", "You have no second factor. Add one first.");
      return this.deps.factors.replaceCodes(transaction, user, changedBy(actor));
    });
    this.deps.outbox.wake();
    return codes;
  }
}
