import type { Clock } from "../../clock.js";
import { hashRecoveryCode } from "../../crypto/recovery-codes.js";
import type { Database } from "../../storage/database.js";
import { consumeRecoveryCode, countRecoveryCodes, hasRecoveryCode } from "../../storage/recovery-codes.js";
import { acceptTotpStep, findTotpSecret } from "../../storage/totp-secrets.js";
import type { User } from "../../storage/users.js";
import type { Audit, Caller } from "../audit.js";
import type { Attempt, RateLimits } from "../limits/rate-limits.js";
import type { Factors } from "../mfa/factors.js";
import { CODE_METHODS, type TotpSecrets, wrongCode } from "../mfa/totp-secrets.js";
import type { Proof } from "./proof.js";

export interface CodeCheckDeps {
  db: Database;
  clock: Clock;
  rateLimits: RateLimits;
  secrets: TotpSecrets;
  factors: Factors;
  audit: Audit;
}

/** Checks the codes from authenticator apps, and recovery codes, within the rate limits. */
export class CodeCheck {
  constructor(private readonly deps: CodeCheckDeps) {}

  /** @throws RATE_LIMITED */
  async totp(user: User, code: string, caller: Caller): Promise<Proof> {
    const attempter = await this.deps.rateLimits.identify(caller, { userId: user.id, name: user.username });
    const attempt = await this.deps.rateLimits.begin(attempter, "CODE");
    return {
      ...this.#proofOf(user, attempt, caller),
      confirm: (transaction) => this.#acceptTotp(transaction, user.id, code),
    };
  }

  /**
   * A valid code always works, whatever others have tried: it cannot be guessed.
   * @throws RATE_LIMITED after too many wrong ones
   */
  async recoveryCode(user: User, code: string, caller: Caller): Promise<Proof> {
    const key = { userId: user.id, codeHash: hashRecoveryCode(code) };
    const { rateLimits, db } = this.deps;
    const attempter = await rateLimits.identify(caller, { userId: user.id, name: user.username });
    const attempt = (await hasRecoveryCode(db, key))
      ? rateLimits.uncounted(attempter)
      : await rateLimits.begin(attempter, "CODE");
    return {
      ...this.#proofOf(user, attempt, caller),
      confirm: async (transaction) => {
        if (!(await consumeRecoveryCode(transaction, key))) return false;
        const left = await countRecoveryCodes(transaction, user.id);
        await this.deps.factors.codeUsed(transaction, user, left, { actorId: user.id, caller });
        return true;
      },
    };
  }

  /** What the proofs of all codes have in common. */
  #proofOf(user: User, attempt: Attempt, caller: Caller): Omit<Proof, "confirm"> {
    const event = { subjectId: user.id, caller, details: { reason: "INVALID_CODE" } };
    return {
      user,
      methods: CODE_METHODS,
      attempt,
      reject: async () => {
        await this.deps.audit.record(this.deps.db, "LOGIN_FAILED", event);
        return attempt.fail(wrongCode());
      },
    };
  }

  async #acceptTotp(transaction: Database, userId: string, code: string): Promise<boolean> {
    const stored = await findTotpSecret(transaction, userId);
    if (stored === undefined || stored.confirmedAt === null) return false;
    const step = this.deps.secrets.stepOf(stored, code, this.deps.clock.now());
    return step !== undefined && acceptTotpStep(transaction, { userId, step });
  }
}
