import type { Clock } from "../../clock.js";
import type { Database } from "../../storage/database.js";
import { type User, updateUser } from "../../storage/users.js";
import type { Audit, ChangedBy } from "../audit.js";
import type { AccountAccess } from "../passwords/account-access.js";

export interface DisablingDeps {
  clock: Clock;
  audit: Audit;
  access: AccountAccess;
}

/** Disables and enables accounts. Each method is part of a transaction that has locked the user. */
export class Disabling {
  constructor(private readonly deps: DisablingDeps) {}

  /** Rejects the user's logins and requests from now on, and ends their sessions. */
  async disable(transaction: Database, user: User, by: ChangedBy): Promise<User> {
    if (user.disabledAt !== null) return user;
    const now = this.deps.clock.now();
    await this.deps.audit.record(transaction, "USER_DISABLED", { ...by, subjectId: user.id });
    await this.deps.access.revoke(transaction, user, by);
    return (await updateUser(transaction, user.id, { disabledAt: now }, now)) ?? user;
  }

  async enable(transaction: Database, user: User, by: ChangedBy): Promise<User> {
    if (user.disabledAt === null) return user;
    const now = this.deps.clock.now();
    await this.deps.audit.record(transaction, "USER_ENABLED", { ...by, subjectId: user.id });
    return (await updateUser(transaction, user.id, { disabledAt: null }, now)) ?? user;
  }
}
