import type { Clock, NewId } from "../../clock.js";
import { LatchkeyError } from "../../errors.js";
import { lockAdministrators } from "../../storage/administrators.js";
import { setPasswordHash } from "../../storage/credentials.js";
import { type Database, inTransaction, isUniqueViolation } from "../../storage/database.js";
import {
  findUserByUsername,
  hasUsers,
  listUsers,
  lockUser,
  type User,
  updateUser,
} from "../../storage/users.js";
import type { Audit } from "../audit.js";
import type { Outbox } from "../email/outbox.js";
import { identityViolations, normalizeLogin } from "../identifiers.js";
import type { Factors } from "../mfa/factors.js";
import type { AccountAccess } from "../passwords/account-access.js";
import type { PasswordPolicy } from "../passwords/policy.js";
import { keepAnAdministrator } from "./administrators.js";
import type { Disabling } from "./disabling.js";
import { addUser, type NewAccount, nameTaken, newUser } from "./new-user.js";

export interface OperatorDeps {
  db: Database;
  clock: Clock;
  newId: NewId;
  policy: PasswordPolicy;
  audit: Audit;
  access: AccountAccess;
  disabling: Disabling;
  factors: Factors;
  outbox: Outbox;
}

/** What the operator does at the command line. The audit log names no actor. */
export class Operator {
  constructor(private readonly deps: OperatorDeps) {}

  /**
   * Creates an account with a password. The operator vouches for the email address: it counts as verified.
   * @throws BAD_USER_INPUT, CONFLICT (with the field that is taken)
   */
  async create(account: NewAccount, password: string): Promise<User> {
    const user = newUser(account, { ...this.deps, verified: true });
    const otherViolations = identityViolations(user);
    const hash = await this.deps.policy.hash(password, { owner: user, otherViolations });
    await inTransaction(this.deps.db, async (transaction) => {
      await addUser(transaction, user);
      await setPasswordHash(transaction, user.id, hash, user.createdAt);
      const details = { username: user.username, roles: user.roles };
      await this.deps.audit.record(transaction, "USER_CREATED", { subjectId: user.id, details });
    });
    return user;
  }

  async hasUsers(): Promise<boolean> {
    return hasUsers(this.deps.db);
  }

  /** All users by username. */
  list(): AsyncGenerator<User> {
    return listUsers(this.deps.db);
  }

  /** @throws NOT_FOUND */
  async get(username: string): Promise<User> {
    return (await findUserByUsername(this.deps.db, normalizeLogin(username))) ?? noSuchUser();
  }

  /** @throws NOT_FOUND; FORBIDDEN for the last administrator */
  async disable(username: string): Promise<User> {
    const { id } = await this.get(username);
    return inTransaction(this.deps.db, async (transaction) => {
      const administrators = await lockAdministrators(transaction);
      const user = (await lockUser(transaction, id)) ?? noSuchUser();
      const disabled = await this.deps.disabling.disable(transaction, user, {});
      await keepAnAdministrator(transaction, administrators);
      return disabled;
    });
  }

  /** @throws NOT_FOUND */
  async enable(username: string): Promise<User> {
    const { id } = await this.get(username);
    return inTransaction(this.deps.db, async (transaction) => {
      const user = (await lockUser(transaction, id)) ?? noSuchUser();
      return this.deps.disabling.enable(transaction, user, {});
    });
  }

  /**
   * Marks a user's email address as verified: the operator vouches for it. Links sent to it earlier stop working.
   * @throws NOT_FOUND; CONFLICT when another account has verified the address
   */
  async verify(username: string): Promise<User> {
    const { id } = await this.get(username);
    const verifying = inTransaction(this.deps.db, async (transaction) => {
      const user = (await lockUser(transaction, id)) ?? noSuchUser();
      if (user.emailVerifiedAt !== null) return user;
      await this.deps.access.withdrawTokens(transaction, user);
      await this.deps.audit.record(transaction, "EMAIL_VERIFIED", { subjectId: id });
      const now = this.deps.clock.now();
      return (await updateUser(transaction, id, { emailVerifiedAt: now }, now)) ?? user;
    });
    return verifying.catch((error: unknown) => {
      throw isUniqueViolation(error) ? nameTaken("email") : error;
    });
  }

  /** Removes all second factors of a user who has lost them, and emails the user. @throws NOT_FOUND */
  async resetMfa(username: string): Promise<void> {
    const { id } = await this.get(username);
    await inTransaction(this.deps.db, async (transaction) => {
      const user = (await lockUser(transaction, id)) ?? noSuchUser();
      await this.deps.factors.reset(transaction, user, {});
    });
    this.deps.outbox.wake();
  }

  /**
   * Sets a user's password, ends all their sessions, and tells the user by email.
   * @throws NOT_FOUND, BAD_USER_INPUT
   */
  async setPassword(username: string, password: string): Promise<void> {
    const found = await this.get(username);
    const hash = await this.deps.policy.hash(password, { owner: found });
    await inTransaction(this.deps.db, async (transaction) => {
      const user = (await lockUser(transaction, found.id)) ?? noSuchUser();
      await this.deps.access.replacePassword(transaction, user, hash, {});
      await this.deps.audit.record(transaction, "PASSWORD_CHANGED", { subjectId: user.id });
    });
    this.deps.outbox.wake();
  }
}

function noSuchUser(): never {
  throw new LatchkeyError("NOT_FOUND", "There is no user with this username.");
}
