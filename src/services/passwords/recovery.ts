import type { Clock } from "../../clock.js";
import { findPasswordHash } from "../../storage/credentials.js";
import { type Database, inTransaction } from "../../storage/database.js";
import type { TokenPurpose } from "../../storage/one-time-tokens.js";
import { updateUser } from "../../storage/users.js";
import type { Audit, Caller } from "../audit.js";
import { invalidOneTimeToken, type OneTimeTokens, unlessTaken } from "../email/one-time-tokens.js";
import type { Outbox } from "../email/outbox.js";
import type { RateLimits } from "../limits/rate-limits.js";
import type { AccountAccess } from "./account-access.js";
import type { PasswordPolicy } from "./policy.js";

export interface PasswordRecoveryDeps {
  db: Database;
  clock: Clock;
  audit: Audit;
  rateLimits: RateLimits;
  policy: PasswordPolicy;
  tokens: OneTimeTokens;
  access: AccountAccess;
  outbox: Outbox;
}

/** Setting a password with an emailed token: a forgotten one, or the first one of an invited user. */
export class PasswordRecovery {
  constructor(private readonly deps: PasswordRecoveryDeps) {}

  /** Sets a new password and ends all sessions; does not sign in. @throws INVALID_TOKEN, BAD_USER_INPUT, RATE_LIMITED, OVERLOADED */
  async reset(token: string, newPassword: string, caller: Caller): Promise<void> {
    const choice = { password: newPassword, field: "newPassword" };
    await this.deps.rateLimits.guessToken(caller, () =>
      this.#setPassword("PASSWORD_RESET", token, choice, caller),
    );
  }

  /** Sets the first password of an invited user, and verifies their address. @throws as `reset` does */
  async acceptInvitation(token: string, password: string, caller: Caller): Promise<void> {
    const choice = { password, field: "password" };
    await this.deps.rateLimits.guessToken(caller, () =>
      unlessTaken(this.#setPassword("INVITATION", token, choice, caller)),
    );
  }

  async #setPassword(
    purpose: Extract<TokenPurpose, "PASSWORD_RESET" | "INVITATION">,
    token: string,
    { password, field }: { password: string; field: string },
    caller: Caller,
  ): Promise<void> {
    // The token is consumed last: a rejected password must not cost it.
    const owner = await this.deps.tokens.ownerOf(this.deps.db, purpose, token);
    const holder = { caller, account: owner.id, known: true };
    const hash = await this.deps.policy.hashInQueue(password, { owner, field }, { holder });
    await inTransaction(this.deps.db, async (transaction) => {
      const { user, email } = await this.deps.tokens.consume(transaction, purpose, token);
      if (user.email !== email || (purpose === "INVITATION" && (await hasPassword(transaction, user.id)))) {
        throw invalidOneTimeToken();
      }
      const by = { actorId: user.id, caller };
      const now = this.deps.clock.now();
      const emailVerifiedAt = user.emailVerifiedAt ?? now;
      await updateUser(transaction, user.id, { emailVerifiedAt }, now);
      await this.deps.access.replacePassword(transaction, { ...user, emailVerifiedAt }, hash, by);
      const type = purpose === "INVITATION" ? "INVITATION_ACCEPTED" : "PASSWORD_RESET";
      await this.deps.audit.record(transaction, type, { ...by, subjectId: user.id });
    });
    this.deps.outbox.wake();
  }
}

async function hasPassword(transaction: Database, userId: string): Promise<boolean> {
  return (await findPasswordHash(transaction, userId)) !== undefined;
}
