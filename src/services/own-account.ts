import type { Clock } from "../clock.js";
import type { Passwords } from "../crypto/passwords.js";
import { invalidInput, LatchkeyError } from "../errors.js";
import { setPasswordHash } from "../storage/credentials.js";
import { type Database, inTransaction } from "../storage/database.js";
import { deleteOneTimeTokens } from "../storage/one-time-tokens.js";
import { endSessions } from "../storage/sessions.js";
import { deleteUser, lockUser, type User, type UserChanges, updateUser } from "../storage/users.js";
import { keepAnAdministrator } from "./administrators.js";
import type { Audit, Client } from "./audit.js";
import { checkIdentity, emailViolations, normalizeLogin } from "./identifiers.js";
import type { MailRequests } from "./mail-requests.js";
import { invalidOneTimeToken, type OneTimeTokens, unlessTaken } from "./one-time-tokens.js";
import type { Outbox } from "./outbox.js";
import type { PasswordPolicy } from "./password-policy.js";
import type { Reauthentication } from "./reauthentication.js";
import type { IssuedToken, Sessions } from "./sessions.js";
import type { Throttle } from "./throttle.js";

/** What a signed-in user does with their own account. */
export class OwnAccount {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #audit: Audit;
  readonly #throttle: Throttle;
  readonly #passwords: Passwords;
  readonly #policy: PasswordPolicy;
  readonly #reauthentication: Reauthentication;
  readonly #sessions: Sessions;
  readonly #tokens: OneTimeTokens;
  readonly #mailRequests: MailRequests;
  readonly #outbox: Outbox;

  constructor(deps: {
    db: Database;
    clock: Clock;
    audit: Audit;
    throttle: Throttle;
    passwords: Passwords;
    policy: PasswordPolicy;
    reauthentication: Reauthentication;
    sessions: Sessions;
    tokens: OneTimeTokens;
    mailRequests: MailRequests;
    outbox: Outbox;
  }) {
    this.#db = deps.db;
    this.#clock = deps.clock;
    this.#audit = deps.audit;
    this.#throttle = deps.throttle;
    this.#passwords = deps.passwords;
    this.#policy = deps.policy;
    this.#reauthentication = deps.reauthentication;
    this.#sessions = deps.sessions;
    this.#tokens = deps.tokens;
    this.#mailRequests = deps.mailRequests;
    this.#outbox = deps.outbox;
  }

  /**
   * Sets another password, ends all sessions, and starts a new one for who asked.
   * @throws INVALID_CREDENTIALS for a wrong current password; BAD_USER_INPUT; RATE_LIMITED; OVERLOADED
   */
  async changePassword(
    user: User,
    { currentPassword, newPassword }: { currentPassword: string; newPassword: string },
    client: Client,
  ): Promise<IssuedToken> {
    await this.#reauthentication.check(user, currentPassword, client);
    if (newPassword === currentPassword) {
      throw invalidInput([
        {
          field: "newPassword",
          rule: "different",
          message: "the new password must be another than the current one",
        },
      ]);
    }
    const hash = await this.#passwords.withPlace({ userId: user.id }, async () => {
      await this.#policy.check(newPassword, user, "newPassword");
      return this.#passwords.hash(newPassword);
    });
    const started = await inTransaction(this.#db, async (transaction) => {
      await lockUser(transaction, user.id);
      const now = this.#clock.now();
      await setPasswordHash(transaction, user.id, hash, now);
      await this.#throttle.startAnew(transaction, user.id, client);
      await deleteOneTimeTokens(transaction, user.id, "PASSWORD_RESET");
      await endSessions(transaction, user.id, now);
      const event = { actorId: user.id, subjectId: user.id, client };
      await this.#audit.record(transaction, "PASSWORD_CHANGED", event);
      await this.#outbox.enqueue(transaction, {
        kind: "PASSWORD_CHANGED",
        email: user.email,
        userId: user.id,
      });
      return this.#sessions.start(transaction, user, client);
    });
    this.#outbox.wake();
    return this.#sessions.issueToken(started.session, user, started.refreshToken);
  }

  /** @throws BAD_USER_INPUT */
  async updateProfile(user: User, changes: Pick<UserChanges, "fullName">, client: Client): Promise<User> {
    checkIdentity(changes);
    return inTransaction(this.#db, async (transaction) => {
      const updated = await updateUser(transaction, user.id, changes, this.#clock.now());
      const details = { changed: Object.keys(changes) };
      await this.#audit.record(transaction, "PROFILE_UPDATED", {
        actorId: user.id,
        subjectId: user.id,
        client,
        details,
      });
      return updated ?? user;
    });
  }

  /**
   * Sends a mail to the new address, if it is free: whether it is, is not told.
   * @throws INVALID_CREDENTIALS, BAD_USER_INPUT, RATE_LIMITED, OVERLOADED
   */
  async requestEmailChange(
    user: User,
    { newEmail, currentPassword }: { newEmail: string; currentPassword: string },
    client: Client,
  ): Promise<void> {
    const email = normalizeLogin(newEmail);
    const violations = emailViolations(email).map((violation) => ({ ...violation, field: "newEmail" }));
    if (violations.length > 0) throw invalidInput(violations);
    await this.#reauthentication.check(user, currentPassword, client);
    await this.#mailRequests.count(email, client);
    await inTransaction(this.#db, async (transaction) => {
      const event = { actorId: user.id, subjectId: user.id, client };
      await this.#audit.record(transaction, "EMAIL_CHANGE_REQUESTED", event);
      await this.#outbox.enqueue(transaction, { kind: "EMAIL_CHANGE", email, userId: user.id });
    });
    this.#outbox.wake();
  }

  /** Puts the new address in the place of the old, which is told. @throws INVALID_TOKEN, RATE_LIMITED */
  async confirmEmailChange(token: string, client: Client): Promise<void> {
    await this.#throttle.guessToken(client, () => unlessTaken(this.#confirmEmailChange(token, client)));
    this.#outbox.wake();
  }

  async #confirmEmailChange(token: string, client: Client): Promise<void> {
    await inTransaction(this.#db, async (transaction) => {
      const { userId, email } = await this.#tokens.spend(transaction, "EMAIL_CHANGE", token);
      const user = await lockUser(transaction, userId);
      if (user === undefined) throw invalidOneTimeToken();
      const now = this.#clock.now();
      await updateUser(transaction, userId, { email, emailVerifiedAt: now }, now);
      // What was sent to the old address must not open the account any more.
      await deleteOneTimeTokens(transaction, userId, "PASSWORD_RESET");
      await this.#audit.record(transaction, "EMAIL_CHANGED", { actorId: userId, subjectId: userId, client });
      await this.#outbox.enqueue(transaction, { kind: "EMAIL_CHANGED", email: user.email, userId });
    });
  }

  /**
   * Removes the account with its items, sessions and tokens. The audit log keeps who it was.
   * @throws INVALID_CREDENTIALS; FORBIDDEN for the last administrator; RATE_LIMITED; OVERLOADED
   */
  async delete(user: User, password: string, client: Client): Promise<void> {
    await this.#reauthentication.check(user, password, client);
    await inTransaction(this.#db, async (transaction) => {
      await keepAnAdministrator(transaction, async () => {
        if (!(await deleteUser(transaction, user.id))) {
          throw new LatchkeyError("NOT_FOUND", "This account has been deleted already.");
        }
      });
      await this.#audit.record(transaction, "ACCOUNT_DELETED", {
        actorId: user.id,
        subjectId: user.id,
        client,
        details: { username: user.username },
      });
      await this.#outbox.enqueue(transaction, { kind: "ACCOUNT_DELETED", email: user.email });
    });
    this.#outbox.wake();
  }
}
