import type { Clock, NewId } from "../clock.js";
import type { Passwords } from "../crypto/passwords.js";
import { invalidInput, LatchkeyError } from "../errors.js";
import { setPasswordHash } from "../storage/credentials.js";
import type { Database } from "../storage/database.js";
import { endSessions } from "../storage/sessions.js";
import {
  findUserByUsername,
  hasUsers,
  insertUser,
  listUsers,
  lockUser,
  setUserDisabled,
  type User,
} from "../storage/users.js";
import type { Audit } from "./audit.js";
import { emailViolations, fullNameViolations, normalizeLogin, usernameViolations } from "./identifiers.js";
import { passwordViolations } from "./password-policy.js";

export interface NewAccount {
  username: string;
  email: string;
  fullName: string | null;
}

/** What an operator does with accounts. */
export class Accounts {
  readonly #db: Database;
  readonly #passwords: Passwords;
  readonly #audit: Audit;
  readonly #clock: Clock;
  readonly #newId: NewId;

  constructor(deps: { db: Database; passwords: Passwords; audit: Audit; clock: Clock; newId: NewId }) {
    this.#db = deps.db;
    this.#passwords = deps.passwords;
    this.#audit = deps.audit;
    this.#clock = deps.clock;
    this.#newId = deps.newId;
  }

  /**
   * The operator vouches for the address: it counts as verified.
   * @throws BAD_USER_INPUT, CONFLICT (which field is taken)
   */
  async create(account: NewAccount, password: string): Promise<User> {
    const user = this.newUser(account);
    this.#refuseBadPassword(password);
    const hash = await this.#passwords.hash(password);
    await this.#db.transaction().execute(async (transaction) => {
      if (!(await insertUser(transaction, user))) {
        const field = (await findUserByUsername(transaction, user.username)) ? "username" : "email";
        throw new LatchkeyError("CONFLICT", `This ${field} is already in use.`, { field });
      }
      await setPasswordHash(transaction, user.id, hash, user.createdAt);
    });
    return user;
  }

  /** A user as `create` would write it, not yet written. @throws BAD_USER_INPUT */
  newUser({ username, email, fullName }: NewAccount): User {
    const now = this.#clock.now();
    const user: User = {
      id: this.#newId(),
      username: normalizeLogin(username),
      email: normalizeLogin(email),
      emailVerifiedAt: now,
      fullName,
      disabledAt: null,
      roles: ["USER"],
      createdAt: now,
      updatedAt: now,
    };
    const violations = [
      ...usernameViolations(user.username),
      ...emailViolations(user.email),
      ...fullNameViolations(fullName),
    ];
    if (violations.length > 0) throw invalidInput(violations);
    return user;
  }

  async isEmpty(): Promise<boolean> {
    return !(await hasUsers(this.#db));
  }

  /** All users by username. */
  list(): AsyncGenerator<User> {
    return listUsers(this.#db);
  }

  /** Refuses the user from now on and ends their sessions. @throws NOT_FOUND */
  async disable(username: string): Promise<void> {
    const user = await this.#find(username);
    const now = this.#clock.now();
    await this.#db.transaction().execute(async (transaction) => {
      await lockUser(transaction, user.id);
      await setUserDisabled(transaction, user.id, user.disabledAt ?? now, now);
      await this.#endSessions(transaction, user.id, now);
    });
  }

  /** @throws NOT_FOUND */
  async enable(username: string): Promise<void> {
    const user = await this.#find(username);
    await setUserDisabled(this.#db, user.id, null, this.#clock.now());
  }

  /** Sets the password and ends all sessions of the user. @throws NOT_FOUND, BAD_USER_INPUT */
  async setPassword(username: string, password: string): Promise<void> {
    const user = await this.#find(username);
    this.#refuseBadPassword(password);
    const hash = await this.#passwords.hash(password);
    const now = this.#clock.now();
    await this.#db.transaction().execute(async (transaction) => {
      await lockUser(transaction, user.id);
      await setPasswordHash(transaction, user.id, hash, now);
      await this.#endSessions(transaction, user.id, now);
    });
  }

  async #endSessions(transaction: Database, userId: string, now: number): Promise<void> {
    for (const sessionId of await endSessions(transaction, userId, now)) {
      await this.#audit.record(transaction, "SESSION_REVOKED", { subjectId: userId, sessionId });
    }
  }

  #refuseBadPassword(password: string): void {
    const violations = passwordViolations(password);
    if (violations.length > 0) throw invalidInput(violations);
  }

  async #find(username: string): Promise<User> {
    const user = await findUserByUsername(this.#db, normalizeLogin(username));
    if (user === undefined) throw new LatchkeyError("NOT_FOUND", "There is no user with this username.");
    return user;
  }
}
