import type { Clock } from "../../clock.js";
import { invalidInput, type Violation } from "../../errors.js";
import { lockAdministrators } from "../../storage/administrators.js";
import { type Database, inTransaction } from "../../storage/database.js";
import { deleteUser } from "../../storage/user-deletion.js";
import { type User, type UserChanges, updateUser } from "../../storage/users.js";
import type { Audit, Caller } from "../audit.js";
import type { EmailRequests } from "../email/email-requests.js";
import { type OneTimeTokens, unlessTaken } from "../email/one-time-tokens.js";
import type { Outbox } from "../email/outbox.js";
import { checkIdentity, emailViolations, normalizeLogin } from "../identifiers.js";
import type { RateLimits } from "../limits/rate-limits.js";
import type { AccountAccess } from "../passwords/account-access.js";
import type { PasswordPolicy } from "../passwords/policy.js";
import { RECENTLY } from "../sessions/recent-authentication.js";
import type { IssuedToken, Sessions } from "../sessions/sessions.js";
import { type Actor, authorize, changedBy } from "../sessions/viewer.js";
import type { PasswordCheck } from "../sign-in/check-password.js";
import { keepAnAdministrator } from "./administrators.js";

const SAME_PASSWORD: Violation = {
  field: "newPassword",
  rule: "different",
  message: "the new password must differ from the current one",
};

export interface OwnAccountDeps {
  db: Database;
  clock: Clock;
  audit: Audit;
  rateLimits: RateLimits;
  policy: PasswordPolicy;
  passwordCheck: PasswordCheck;
  access: AccountAccess;
  sessions: Sessions;
  tokens: OneTimeTokens;
  emailRequests: EmailRequests;
  outbox: Outbox;
}

/** What a signed-in user can do with their own account. */
export class OwnAccount {
  constructor(private readonly deps: OwnAccountDeps) {}

  /**
   * Sets a new password, ends all sessions, and starts a new one for the caller, who authenticated as in the old one.
   * @param user as authenticated for the request; checked again in the transaction
   * @throws INVALID_CREDENTIALS for a wrong current password; UNAUTHENTICATED; BAD_USER_INPUT; RATE_LIMITED; OVERLOADED
   */
  async changePassword(
    user: User,
    actor: Actor,
    { currentPassword, newPassword }: { currentPassword: string; newPassword: string },
  ): Promise<IssuedToken> {
    const { caller } = actor;
    const target = { user, name: user.username, rejection: "The current password is wrong." };
    const current = await this.deps.passwordCheck.check(target, currentPassword, caller);
    const otherViolations = newPassword === currentPassword ? [SAME_PASSWORD] : [];
    const hash = await this.deps.policy
      .hashInQueue(
        newPassword,
        { owner: user, field: "newPassword", otherViolations },
        { holder: { caller, account: user.id, known: true } },
      )
      .catch(current.attempt.fail);
    const started = await inTransaction(this.deps.db, async (transaction) => {
      const { user, session } = await authorize(transaction, actor, {
        now: this.deps.clock.now(),
        ...RECENTLY,
      });
      if (!(await current.confirm(transaction))) return undefined;
      await current.attempt.succeed(transaction);
      await this.deps.access.replacePassword(transaction, user, hash, changedBy(actor));
      await this.#record(transaction, "PASSWORD_CHANGED", actor);
      return { user, ...(await this.deps.sessions.start(transaction, user, caller, session)) };
    }).catch(current.attempt.fail);
    if (started === undefined) return current.reject();
    this.deps.outbox.wake();
    return this.deps.sessions.issueToken(started.session, started.user, started.refreshToken);
  }

  /** @throws UNAUTHENTICATED, BAD_USER_INPUT, RATE_LIMITED */
  async updateProfile(actor: Actor, changes: Pick<UserChanges, "fullName">): Promise<User> {
    checkIdentity(changes);
    return inTransaction(this.deps.db, async (transaction) => {
      const now = this.deps.clock.now();
      const { user } = await authorize(transaction, actor, { now });
      if (changes.fullName === undefined || changes.fullName === user.fullName) return user;
      await this.deps.rateLimits.countChange(transaction, "PROFILE", user.id, actor.caller);
      await this.#record(transaction, "PROFILE_UPDATED", actor, { changed: ["fullName"] });
      return (await updateUser(transaction, user.id, changes, now)) ?? user;
    });
  }

  /**
   * Sends an email to the new address, if no account has it. The answer does not say whether one does.
   * @throws UNAUTHENTICATED, BAD_USER_INPUT, RATE_LIMITED
   */
  async requestEmailChange(actor: Actor, newEmail: string): Promise<void> {
    const email = normalizeLogin(newEmail);
    const violations = emailViolations(email).map((violation) => ({ ...violation, field: "newEmail" }));
    if (violations.length > 0) throw invalidInput(violations);
    await this.deps.emailRequests.count(actor.caller);
    await inTransaction(this.deps.db, async (transaction) => {
      await authorize(transaction, actor, { now: this.deps.clock.now(), ...RECENTLY });
      await this.#record(transaction, "EMAIL_CHANGE_REQUESTED", actor);
      await this.deps.outbox.enqueue(transaction, { kind: "EMAIL_CHANGE", email, userId: actor.userId });
    });
    this.deps.outbox.wake();
  }

  /** Replaces the address with the new one, and notifies the old. @throws INVALID_TOKEN, RATE_LIMITED */
  async confirmEmailChange(token: string, caller: Caller): Promise<void> {
    await this.deps.rateLimits.guessToken(caller, () => unlessTaken(this.#confirmEmailChange(token, caller)));
    this.deps.outbox.wake();
  }

  async #confirmEmailChange(token: string, caller: Caller): Promise<void> {
    await inTransaction(this.deps.db, async (transaction) => {
      const consumed = await this.deps.tokens.consumeOrRepeat(transaction, "EMAIL_CHANGE", token);
      if (consumed === undefined) return;
      const { user, email } = consumed;
      const now = this.deps.clock.now();
      // Tokens sent to the old address must no longer give access.
      await this.deps.access.withdrawTokens(transaction, user);
      await updateUser(transaction, user.id, { email, emailVerifiedAt: now }, now);
      const event = { actorId: user.id, subjectId: user.id, caller };
      await this.deps.audit.record(transaction, "EMAIL_CHANGED", event);
      const facts = { username: user.username, newEmail: email };
      await this.deps.outbox.enqueue(transaction, { kind: "EMAIL_CHANGED", email: user.email, facts });
    });
  }

  /**
   * Deletes the account with its items, sessions and tokens. The audit log keeps its username.
   * @throws UNAUTHENTICATED; FORBIDDEN for the last administrator
   */
  async delete(actor: Actor): Promise<void> {
    await inTransaction(this.deps.db, async (transaction) => {
      const administrators = await lockAdministrators(transaction);
      const { user } = await authorize(transaction, actor, { now: this.deps.clock.now(), ...RECENTLY });
      const { id, username, email } = user;
      await this.deps.access.revoke(transaction, { id, email }, changedBy(actor));
      await this.#record(transaction, "ACCOUNT_DELETED", actor, { username });
      await this.deps.outbox.enqueue(transaction, { kind: "ACCOUNT_DELETED", email, facts: { username } });
      await deleteUser(transaction, id, this.deps.clock.now());
      await keepAnAdministrator(transaction, administrators);
    });
    this.deps.outbox.wake();
  }

  async #record(
    transaction: Database,
    type: "PASSWORD_CHANGED" | "PROFILE_UPDATED" | "EMAIL_CHANGE_REQUESTED" | "ACCOUNT_DELETED",
    actor: Actor,
    details: Record<string, unknown> = {},
  ): Promise<void> {
    await this.deps.audit.record(transaction, type, {
      ...changedBy(actor),
      subjectId: actor.userId,
      details,
    });
  }
}
