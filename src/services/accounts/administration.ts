import type { Clock, NewId } from "../../clock.js";
import { LatchkeyError } from "../../errors.js";
import { lockAdministrators } from "../../storage/administrators.js";
import type { AuditEventType } from "../../storage/audit.js";
import { type Database, inTransaction, isUniqueViolation } from "../../storage/database.js";
import { deleteUser } from "../../storage/user-deletion.js";
import {
  findUserById,
  findUserByLogin,
  findUserByUsername,
  listUserPage,
  listUsersById,
  type Role,
  type User,
  type UserChanges,
  type UserFilter,
  updateUser,
} from "../../storage/users.js";
import type { Audit } from "../audit.js";
import type { Notice, Outbox } from "../email/outbox.js";
import { checkIdentity, normalizeLogin } from "../identifiers.js";
import type { Factors } from "../mfa/factors.js";
import type { AccountAccess } from "../passwords/account-access.js";
import { RECENTLY } from "../sessions/recent-authentication.js";
import type { Sessions } from "../sessions/sessions.js";
import { type Actor, authorize, changedBy } from "../sessions/viewer.js";
import { keepAnAdministrator } from "./administrators.js";
import type { Disabling } from "./disabling.js";
import { addUser, type NewAccount, nameTaken, newUser, withUserRole } from "./new-user.js";

/** What to change of an account. A field left undefined keeps its value. */
export type AccountChanges = Pick<UserChanges, "username" | "email" | "fullName">;

export interface AdministrationDeps {
  db: Database;
  clock: Clock;
  newId: NewId;
  audit: Audit;
  access: AccountAccess;
  disabling: Disabling;
  factors: Factors;
  sessions: Sessions;
  outbox: Outbox;
  /** Whether there is a way to send email. */
  sendsEmail: boolean;
}

/**
 * What an administrator does with other users' accounts. Every change checks in its transaction that the actor is still
 * a signed-in administrator: it throws UNAUTHENTICATED or FORBIDDEN.
 */
export class Administration {
  constructor(private readonly deps: AdministrationDeps) {}

  /** Returns users by age, oldest first. */
  async page(page: { first: number; after: string | undefined }, filter: UserFilter): Promise<User[]> {
    return listUserPage(this.deps.db, page, filter);
  }

  /** @throws NOT_FOUND */
  async get(id: string): Promise<User> {
    return (await findUserById(this.deps.db, id)) ?? noSuchUser();
  }

  /** Returns those of the users who exist, by id. */
  async find(ids: readonly string[]): Promise<Map<string, User>> {
    const users = await listUsersById(this.deps.db, ids);
    return new Map(users.map((user) => [user.id, user]));
  }

  /**
   * Creates an account without a password, and emails an invitation to choose one, which verifies the address.
   * @throws UNAUTHENTICATED; FORBIDDEN, also when no email can be sent; BAD_USER_INPUT; CONFLICT (with the field that is taken)
   */
  async create(account: NewAccount, actor: Actor): Promise<User> {
    if (!this.deps.sendsEmail) {
      throw new LatchkeyError(
        "FORBIDDEN",
        "Invitations cannot be sent: SMTP_URL is not set. Set it, or run `latchkey user create`.",
      );
    }
    const user = newUser(account, { ...this.deps, verified: false });
    checkIdentity(user);
    await inTransaction(this.deps.db, async (transaction) => {
      await authorize(transaction, actor, { now: user.createdAt, role: "ADMIN", ...RECENTLY });
      if (await findUserByLogin(transaction, user.email)) throw nameTaken("email");
      await addUser(transaction, user);
      const details = { username: user.username, roles: user.roles };
      await this.#record(transaction, "USER_CREATED", user, actor, details);
      await this.deps.outbox.enqueue(transaction, { kind: "INVITATION", email: user.email, userId: user.id });
    });
    this.deps.outbox.wake();
    return user;
  }

  /**
   * Changes an account; its sessions stay. A new email address counts as verified: the administrator vouches for it. The
   * old address, if it was verified, gets an email about a new username or address.
   * @throws UNAUTHENTICATED, FORBIDDEN, NOT_FOUND, BAD_USER_INPUT, CONFLICT (with the field that is taken)
   */
  async update(id: string, changes: AccountChanges, actor: Actor): Promise<User> {
    const wanted = {
      username: changes.username === undefined ? undefined : normalizeLogin(changes.username),
      email: changes.email === undefined ? undefined : normalizeLogin(changes.email),
      fullName: changes.fullName,
    };
    checkIdentity(wanted);
    const updating = inTransaction(this.deps.db, async (transaction) => {
      const { user, now } = await this.#lock(transaction, id, actor);
      const changed = (["username", "email", "fullName"] as const).filter(
        (field) => wanted[field] !== undefined && wanted[field] !== user[field],
      );
      if (changed.length === 0) return user;
      const emailChanged = changed.includes("email");
      // A token sent to the old address must not work any more.
      if (emailChanged) await this.deps.access.withdrawTokens(transaction, user);
      // Nobody has proven that an unverified address is the user's.
      for (const notice of user.emailVerifiedAt === null ? [] : noticesOf(user, wanted)) {
        await this.deps.outbox.enqueue(transaction, { ...notice, email: user.email });
      }
      await this.#record(transaction, "USER_UPDATED", user, actor, { changed });
      const emailVerifiedAt = emailChanged ? now : undefined;
      return (await updateUser(transaction, id, { ...wanted, emailVerifiedAt }, now)) ?? user;
    });
    const updated = await updating.catch(async (error: unknown) => {
      if (!isUniqueViolation(error)) throw error;
      const { username } = wanted;
      const holder = username === undefined ? undefined : await findUserByUsername(this.deps.db, username);
      throw nameTaken(holder !== undefined && holder.id !== id ? "username" : "email");
    });
    this.deps.outbox.wake();
    return updated;
  }

  /** @throws UNAUTHENTICATED; FORBIDDEN, also for the last administrator; NOT_FOUND */
  async disable(id: string, actor: Actor): Promise<User> {
    return inTransaction(this.deps.db, async (transaction) => {
      const administrators = await lockAdministrators(transaction);
      const { user } = await this.#lock(transaction, id, actor);
      const disabled = await this.deps.disabling.disable(transaction, user, changedBy(actor));
      await keepAnAdministrator(transaction, administrators);
      return disabled;
    });
  }

  /** @throws UNAUTHENTICATED, FORBIDDEN, NOT_FOUND */
  async enable(id: string, actor: Actor): Promise<User> {
    return inTransaction(this.deps.db, async (transaction) => {
      const { user } = await this.#lock(transaction, id, actor);
      return this.deps.disabling.enable(transaction, user, changedBy(actor));
    });
  }

  /** Replaces a user's roles, but for USER. @throws UNAUTHENTICATED; FORBIDDEN, also for the last administrator; NOT_FOUND */
  async setRoles(id: string, roles: readonly Role[], actor: Actor): Promise<User> {
    return inTransaction(this.deps.db, async (transaction) => {
      const administrators = await lockAdministrators(transaction);
      const { user, now } = await this.#lock(transaction, id, actor);
      const from = withUserRole(user.roles);
      const to = withUserRole(roles);
      if (String(from) === String(to)) return user;
      await this.#record(transaction, "USER_ROLES_SET", user, actor, { from, to });
      const updated = await updateUser(transaction, id, { roles: to }, now);
      await keepAnAdministrator(transaction, administrators);
      return updated ?? user;
    });
  }

  /**
   * Deletes a user and everything that belongs to them.
   * @throws UNAUTHENTICATED; FORBIDDEN, also for the last administrator; NOT_FOUND
   */
  async delete(id: string, actor: Actor): Promise<void> {
    await inTransaction(this.deps.db, async (transaction) => {
      const administrators = await lockAdministrators(transaction);
      const { user, now } = await this.#lock(transaction, id, actor);
      await this.deps.access.revoke(transaction, user, changedBy(actor));
      await this.#record(transaction, "ACCOUNT_DELETED", user, actor, { username: user.username });
      await deleteUser(transaction, id, now);
      await keepAnAdministrator(transaction, administrators);
    });
  }

  /** Removes all second factors of a user who has lost them, and emails the user. @throws UNAUTHENTICATED, FORBIDDEN, NOT_FOUND */
  async resetMfa(id: string, actor: Actor): Promise<User> {
    const reset = await inTransaction(this.deps.db, async (transaction) => {
      const { user } = await this.#lock(transaction, id, actor);
      return this.deps.factors.reset(transaction, user, changedBy(actor));
    });
    this.deps.outbox.wake();
    return reset;
  }

  /** Ends all sessions of a user. @returns how many @throws UNAUTHENTICATED, FORBIDDEN, NOT_FOUND */
  async revokeSessions(id: string, actor: Actor): Promise<number> {
    return inTransaction(this.deps.db, async (transaction) => {
      const { user } = await this.#lock(transaction, id, actor);
      return this.deps.sessions.endAll(transaction, user.id, changedBy(actor));
    });
  }

  /** Locks the user who is changed, and the actor. @throws UNAUTHENTICATED, FORBIDDEN, NOT_FOUND */
  async #lock(transaction: Database, id: string, actor: Actor): Promise<{ user: User; now: number }> {
    const now = this.deps.clock.now();
    const { subject } = await authorize(transaction, actor, {
      now,
      role: "ADMIN",
      ...RECENTLY,
      subjectId: id,
    });
    return { user: subject ?? noSuchUser(), now };
  }

  async #record(
    transaction: Database,
    type: AuditEventType,
    subject: User,
    actor: Actor,
    details: Record<string, unknown>,
  ): Promise<void> {
    await this.deps.audit.record(transaction, type, { ...changedBy(actor), subjectId: subject.id, details });
  }
}

/** What to tell a user whose username or email address is changed. */
function noticesOf(user: User, { username = user.username, email = user.email }: AccountChanges): Notice[] {
  const notices: Notice[] = [];
  if (username !== user.username) notices.push({ kind: "USERNAME_CHANGED", facts: { username } });
  if (email !== user.email) notices.push({ kind: "EMAIL_CHANGED", facts: { username, newEmail: email } });
  return notices;
}

/** @throws NOT_FOUND */
export function noSuchUser(): never {
  throw new LatchkeyError("NOT_FOUND", "There is no user with this id.");
}
