import type { Clock } from "../../clock.js";
import { setPasswordHash } from "../../storage/credentials.js";
import type { Database } from "../../storage/database.js";
import { deleteOneTimeTokens } from "../../storage/one-time-tokens.js";
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

/**
 * What opens an account, taken back in one place, whoever asks for it. Each method is a part of a transaction that has
 * locked the user.
 */
export class AccountAccess {
  constructor(private readonly deps: AccountAccessDeps) {}

  /** Every token that was emailed to the user, and every email that waits to bring one. */
  async withdrawTokens(transaction: Database, user: Owner): Promise<void> {
    await deleteOneTimeTokens(transaction, user.id);
    await deletePendingEmails(transaction, user);
  }

  /**
   * Everything that opens the account without its password, and what is known of who tried: sessions, tokens, pending
   * emails, rate-limit counters and known networks. A disabling and a deletion do it, and every new password.
   * @param knownFrom where the one network is that is known from then on; none is without it
   */
  async revoke(transaction: Database, user: Owner, by: ChangedBy, knownFrom?: Caller): Promise<void> {
    await this.withdrawTokens(transaction, user);
    await this.deps.rateLimits.startAnew(transaction, user.id, knownFrom);
    await this.deps.sessions.endAll(transaction, user.id, by);
  }

  /**
   * Sets a password, revokes all that came before it, and tells the user. The network it was set from is known from
   * then on. Call `outbox.wake` once the transaction is committed.
   */
  async replacePassword(transaction: Database, user: User, hash: string, by: ChangedBy): Promise<void> {
    await this.revoke(transaction, user, by, by.caller);
    await setPasswordHash(transaction, user.id, hash, this.deps.clock.now());
    const { email, username, emailVerifiedAt } = user;
    // An address that nobody has proven to be theirs is not written to.
    if (emailVerifiedAt === null) return;
    await this.deps.outbox.enqueue(transaction, { kind: "PASSWORD_CHANGED", email, facts: { username } });
  }
}
