import type { Clock } from "../../clock.js";
import { deleteChallenges } from "../../storage/challenges.js";
import { setPasswordHash } from "../../storage/credentials.js";
import type { Database } from "../../storage/database.js";
import { withdrawOneTimeTokens } from "../../storage/one-time-tokens.js";
import { deletePendingEmails } from "../../storage/outbox.js";
import type { User } from "../../storage/users.js";
import type { Caller, ChangedBy } from "../audit.js";
import type { Outbox } from "../email/outbox.js";
import type { RateLimits } from "../limits/rate-limits.js";
import type { Sessions } from "../sessions/sessions.js";

interface Owner {
  id: string;
  email: string;
}

export interface AccountAccessDeps {
  clock: Clock;
  rateLimits: RateLimits;
  sessions: Sessions;
  outbox: Outbox;
}

/** Revokes access to an account. Each method is part of a transaction that has locked the user. */
export class AccountAccess {
  constructor(private readonly deps: AccountAccessDeps) {}

  /** Withdraws the tokens that were emailed to the user, the pending emails that would contain one, and challenges. */
  async withdrawTokens(transaction: Database, user: Owner): Promise<void> {
    await withdrawOneTimeTokens(transaction, user.id);
    // A challenge to prove a second factor was issued for the old password.
    await deleteChallenges(transaction, user.id);
    await deletePendingEmails(transaction, user);
  }

  /**
   * Revokes everything that gives access without the password: sessions, emailed tokens and pending emails. Resets the
   * rate limits and known networks. Part of disabling and deleting an account, and of every new password.
   * @param knownFrom the caller whose network becomes the only known one; none without it
   */
  async revoke(transaction: Database, user: Owner, by: ChangedBy, knownFrom?: Caller): Promise<void> {
    await this.withdrawTokens(transaction, user);
    await this.deps.rateLimits.reset(transaction, user.id, knownFrom);
    await this.deps.sessions.endAll(transaction, user.id, by);
  }

  /**
   * Sets a password, revokes all previous access, and emails the user. The network it was set from becomes known. Call
   * `outbox.wake` once the transaction is committed.
   */
  async replacePassword(transaction: Database, user: User, hash: string, by: ChangedBy): Promise<void> {
    await this.revoke(transaction, user, by, by.caller);
    await setPasswordHash(transaction, user.id, hash, this.deps.clock.now());
    const { email, username, emailVerifiedAt } = user;
    // Nobody has proven that this address is theirs.
    if (emailVerifiedAt === null) return;
    await this.deps.outbox.enqueue(transaction, { kind: "PASSWORD_CHANGED", email, facts: { username } });
  }
}
