import { hashRecoveryCode, newRecoveryCode } from "../../crypto/recovery-codes.js";
import type { MfaChange } from "../../email/templates.js";
import { deleteChallenges } from "../../storage/challenges.js";
import type { Database } from "../../storage/database.js";
import { updateMfaMethods } from "../../storage/mfa-methods.js";
import { withdrawOneTimeTokens } from "../../storage/one-time-tokens.js";
import { deletePendingEmails } from "../../storage/outbox.js";
import { deletePasskeys } from "../../storage/passkeys.js";
import { replaceRecoveryCodes } from "../../storage/recovery-codes.js";
import { deleteTotpSecret } from "../../storage/totp-secrets.js";
import type { User } from "../../storage/users.js";
import type { Audit, ChangedBy } from "../audit.js";
import type { Outbox } from "../email/outbox.js";
import type { RateLimits } from "../limits/rate-limits.js";
import { hasSecondFactor } from "../sessions/recent-authentication.js";
import type { Sessions } from "../sessions/sessions.js";

/** How many recovery codes a user gets. */
export const RECOVERY_CODES = 10;

export interface FactorsDeps {
  audit: Audit;
  outbox: Outbox;
  rateLimits: RateLimits;
  sessions: Sessions;
}

/**
 * What every change of a user's second factors has in common. Each method is part of a transaction that has locked the
 * user. Call `outbox.wake` once it is committed.
 */
export class Factors {
  constructor(private readonly deps: FactorsDeps) {}

  /**
   * Records that a factor was added. The first one comes with recovery codes.
   * @param user as they were before
   * @returns the recovery codes; none when the user has had them before
   */
  async added(transaction: Database, user: User, change: MfaChange, by: ChangedBy): Promise<string[]> {
    await this.#count(transaction, user, by);
    const isFirst = !hasSecondFactor(user.mfaMethods);
    const codes = isFirst ? await this.#replaceCodes(transaction, user) : [];
    if (isFirst) {
      // What was requested with the password alone must not take effect later: a change of the email address.
      await withdrawOneTimeTokens(transaction, user.id);
      await deletePendingEmails(transaction, user);
    }
    await this.#changed(transaction, user, change, by);
    return codes;
  }

  /** Records that a factor was removed. The last one takes the recovery codes with it. @param user as they were before */
  async removed(transaction: Database, user: User, change: MfaChange, by: ChangedBy): Promise<void> {
    await this.#count(transaction, user, by);
    const left = await updateMfaMethods(transaction, user.id);
    if (!hasSecondFactor(left)) await this.#removeRest(transaction, user.id);
    await this.#changed(transaction, user, change, by);
  }

  /** Replaces the recovery codes. @returns the new ones */
  async replaceCodes(transaction: Database, user: User, by: ChangedBy): Promise<string[]> {
    await this.#count(transaction, user, by);
    const codes = await this.#replaceCodes(transaction, user);
    await this.#changed(transaction, user, "RECOVERY_CODES_REPLACED", by);
    return codes;
  }

  /** Records that a recovery code was used. */
  async codeUsed(transaction: Database, user: User, left: number, by: ChangedBy): Promise<void> {
    await this.#changed(transaction, user, "RECOVERY_CODE_USED", by, { left });
  }

  /**
   * Removes all second factors of a user, and ends the sessions: whoever has the lost device may have one. Does nothing
   * without a factor.
   * @returns the user as they are now
   */
  async reset(transaction: Database, user: User, by: ChangedBy): Promise<User> {
    await deleteTotpSecret(transaction, user.id);
    await deletePasskeys(transaction, user.id);
    await this.#removeRest(transaction, user.id);
    if (!hasSecondFactor(user.mfaMethods)) return user;
    await this.deps.sessions.endAll(transaction, user.id, by);
    await this.#changed(transaction, user, "MFA_RESET", by);
    return { ...user, mfaMethods: [] };
  }

  /** Removes what only an account with a second factor has: recovery codes, challenges to answer, and counts of codes. */
  async #removeRest(transaction: Database, userId: string): Promise<void> {
    await replaceRecoveryCodes(transaction, userId, []);
    await deleteChallenges(transaction, userId);
    await this.deps.rateLimits.resetCodes(transaction, userId);
  }

  async #replaceCodes(transaction: Database, { id }: User): Promise<string[]> {
    const codes = Array.from({ length: RECOVERY_CODES }, newRecoveryCode);
    await replaceRecoveryCodes(transaction, id, codes.map(hashRecoveryCode));
    return codes;
  }

  /** Counts a user's own change: each is an audit event and an email. @throws RATE_LIMITED */
  async #count(transaction: Database, { id }: User, { caller }: ChangedBy): Promise<void> {
    if (caller !== undefined) await this.deps.rateLimits.countChange(transaction, "MFA", id, caller);
  }

  async #changed(
    transaction: Database,
    { id, username, email }: User,
    change: MfaChange,
    by: ChangedBy,
    details: { left?: number } = {},
  ): Promise<void> {
    await updateMfaMethods(transaction, id);
    await this.deps.audit.record(transaction, change, { ...by, subjectId: id, details });
    const facts = { username, change, ...details };
    await this.deps.outbox.enqueue(transaction, { kind: "MFA_CHANGED", email, facts });
  }
}
