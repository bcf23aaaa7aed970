import type { Clock, NewId } from "../../clock.js";
import type { Passwords } from "../../crypto/passwords.js";
import { LatchkeyError } from "../../errors.js";
import type { AuditEventType } from "../../storage/audit.js";
import { setPasswordHash } from "../../storage/credentials.js";
import { type Database, inTransaction, isUniqueViolation } from "../../storage/database.js";
import {
  countAdministrators,
  deleteUser,
  findUserById,
  findUserByLogin,
  findUserByUsername,
  hasUsers,
  insertUser,
  listUserPage,
  listUsers,
  lockAdministrators,
  lockUser,
  ROLES,
  type Role,
  type User,
  type UserFilter,
  updateUser,
} from "../../storage/users.js";
import type { Audit, ChangedBy } from "../audit.js";
import type { Notice, Outbox } from "../email/outbox.js";
import { checkIdentity, normalizeLogin } from "../identifiers.js";
import type { AccountAccess } from "../passwords/account-access.js";
import type { PasswordPolicy } from "../passwords/policy.js";
import type { Sessions } from "../sessions/sessions.js";
import { type Actor, authorize } from "../sessions/viewer.js";
import { keepAnAdministrator } from "./administrators.js";

export interface NewAccount {
  username: string;
  email: string;
  fullName: string | null;
  /** USER is always among them. */
  roles?: readonly Role[] | undefined;
}

/** What is left undefined stays as it is. */
export interface AccountChanges {
  username?: string | undefined;
  email?: string | undefined;
  fullName?: string | null | undefined;
}

export interface AccountsDeps {
  db: Database;
  passwords: Passwords;
  policy: PasswordPolicy;
  audit: Audit;
  access: AccountAccess;
  sessions: Sessions;
  outbox: Outbox;
  clock: Clock;
  newId: NewId;
}

/**
 * What an operator or an administrator does with others' accounts; without an actor it is the operator, at the machine
 * itself. An administrator is checked again where the change is written: UNAUTHENTICATED, FORBIDDEN. `who` is an id or a username: none can be taken
 * for the other, as an id is longer than any username.
 */
export class Accounts {
  constructor(private readonly deps: AccountsDeps) {}

  /**
   * The operator vouches for the address: it counts as verified.
   * @throws BAD_USER_INPUT, CONFLICT (which field is taken)
   */
  async create(account: NewAccount, password: string): Promise<User> {
    const user = this.newUser(account);
    await this.deps.policy.check(password, user);
    const hash = await this.deps.passwords.hash(password);
    await inTransaction(this.deps.db, async (transaction) => {
      await this.#insert(transaction, user);
      await setPasswordHash(transaction, user.id, hash, user.createdAt);
    });
    return user;
  }

  /**
   * Makes an account without a password, and sends an invitation to set one, which proves the address.
   * @throws UNAUTHENTICATED, FORBIDDEN, BAD_USER_INPUT, CONFLICT (which field is taken)
   */
  async invite(account: NewAccount, actor: Actor): Promise<User> {
    const user: User = { ...this.newUser(account), emailVerifiedAt: null };
    await inTransaction(this.deps.db, async (transaction) => {
      await authorize(transaction, actor, { now: user.createdAt, role: "ADMIN" });
      if (await findUserByLogin(transaction, user.email)) throw taken("email");
      await this.#insert(transaction, user, actor);
      await this.deps.outbox.enqueue(transaction, { kind: "INVITATION", email: user.email, userId: user.id });
    });
    this.deps.outbox.wake();
    return user;
  }

  /** A user as `create` would write it, not yet written. @throws BAD_USER_INPUT */
  newUser({ username, email, fullName, roles = [] }: NewAccount): User {
    const now = this.deps.clock.now();
    const user: User = {
      id: this.deps.newId(),
      username: normalizeLogin(username),
      email: normalizeLogin(email),
      emailVerifiedAt: now,
      fullName,
      disabledAt: null,
      roles: withUser(roles),
      createdAt: now,
      updatedAt: now,
    };
    checkIdentity(user);
    return user;
  }

  async isEmpty(): Promise<boolean> {
    return !(await hasUsers(this.deps.db));
  }

  /** All users by username. */
  list(): AsyncGenerator<User> {
    return listUsers(this.deps.db);
  }

  /** Oldest first; the page after the user `after`, or the first. */
  async page(page: { first: number; after: string | undefined }, filter: UserFilter): Promise<User[]> {
    return listUserPage(this.deps.db, page, filter);
  }

  /** @throws NOT_FOUND */
  async get(who: string): Promise<User> {
    const name = normalizeLogin(who);
    const byId = isId(name);
    const user = await (byId ? findUserById(this.deps.db, name) : findUserByUsername(this.deps.db, name));
    return user ?? noSuchUser(byId ? "id" : "username");
  }

  /**
   * Changes what is known of a user, whose sessions stay, and who is told of another name or address to log in with, at
   * the address until then. Whoever changes the address vouches for it: it counts as verified.
   * @throws NOT_FOUND, BAD_USER_INPUT, CONFLICT (which field is taken)
   */
  async update(who: string, changes: AccountChanges, actor?: Actor): Promise<User> {
    const username = changes.username === undefined ? undefined : normalizeLogin(changes.username);
    const email = changes.email === undefined ? undefined : normalizeLogin(changes.email);
    const wanted = { username, email, fullName: changes.fullName };
    checkIdentity(wanted);
    const update = this.#change(who, actor, async (transaction, user, now) => {
      const changed = (["username", "email", "fullName"] as const).filter(
        (field) => wanted[field] !== undefined && wanted[field] !== user[field],
      );
      if (changed.length === 0) return user;
      const emailChanged = changed.includes("email");
      const emailVerifiedAt = emailChanged ? now : undefined;
      // What was sent to the old address must not open the account any more.
      if (emailChanged) await this.deps.access.withdrawTokens(transaction, user);
      for (const notice of noticesOf(user, wanted)) {
        await this.deps.outbox.enqueue(transaction, { ...notice, email: user.email });
      }
      await this.#record(transaction, "USER_UPDATED", user, actor, { changed });
      return updateUser(transaction, user.id, { ...wanted, emailVerifiedAt }, now);
    });
    const updated = await update.catch(async (error: unknown) => {
      if (!isUniqueViolation(error)) throw error;
      const holder = username === undefined ? undefined : await findUserByUsername(this.deps.db, username);
      throw taken(holder && holder.id !== (await this.get(who)).id ? "username" : "email");
    });
    this.deps.outbox.wake();
    return updated;
  }

  /**
   * Refuses the user from now on and ends their sessions.
   * @throws NOT_FOUND; FORBIDDEN for the last administrator
   */
  async disable(who: string, actor?: Actor): Promise<User> {
    return this.#changeAdministrators(who, actor, async (transaction, user, now) => {
      if (user.disabledAt !== null) return user;
      await this.#record(transaction, "USER_DISABLED", user, actor);
      await this.deps.access.revoke(transaction, user, changedBy(actor));
      return updateUser(transaction, user.id, { disabledAt: now }, now);
    });
  }

  /** @throws NOT_FOUND */
  async enable(who: string, actor?: Actor): Promise<User> {
    return this.#change(who, actor, async (transaction, user, now) => {
      if (user.disabledAt === null) return user;
      await this.#record(transaction, "USER_ENABLED", user, actor);
      return updateUser(transaction, user.id, { disabledAt: null }, now);
    });
  }

  /** USER is kept whatever is asked for. @throws NOT_FOUND; FORBIDDEN for the last administrator */
  async setRoles(who: string, roles: readonly Role[], actor?: Actor): Promise<User> {
    return this.#changeAdministrators(who, actor, async (transaction, user, now) => {
      const to = withUser(roles);
      const from = withUser(user.roles);
      if (String(from) === String(to)) return user;
      await this.#record(transaction, "USER_ROLES_SET", user, actor, { from, to });
      return updateUser(transaction, user.id, { roles: to }, now);
    });
  }

  /** Removes the user with everything of theirs. @throws NOT_FOUND; FORBIDDEN for the last administrator */
  async delete(who: string, actor?: Actor): Promise<void> {
    await this.#changeAdministrators(who, actor, async (transaction, user, now) => {
      await this.deps.access.revoke(transaction, user, changedBy(actor));
      await this.#record(transaction, "ACCOUNT_DELETED", user, actor, { username: user.username });
      await deleteUser(transaction, user.id, now);
      return user;
    });
  }

  /** Ends all sessions of the user. @returns how many @throws NOT_FOUND */
  async revokeSessions(who: string, actor?: Actor): Promise<number> {
    return this.#locked(who, actor, ({ transaction, user }) =>
      this.deps.sessions.endAll(transaction, user.id, changedBy(actor)),
    );
  }

  /**
   * Sets the password, ends all sessions of the user, and tells the user by email: only for the operator.
   * @throws NOT_FOUND, BAD_USER_INPUT
   */
  async setPassword(who: string, password: string): Promise<void> {
    const user = await this.get(who);
    await this.deps.policy.check(password, user);
    const hash = await this.deps.passwords.hash(password);
    await this.#locked(user.id, undefined, async ({ transaction, user }) => {
      await this.deps.access.replacePassword(transaction, user, hash, {});
      await this.#record(transaction, "PASSWORD_CHANGED", user, undefined);
    });
    this.deps.outbox.wake();
  }

  async #insert(transaction: Database, user: User, actor?: Actor): Promise<void> {
    if (!(await insertUser(transaction, user))) {
      throw taken((await findUserByUsername(transaction, user.username)) ? "username" : "email");
    }
    await this.#record(transaction, "USER_CREATED", user, actor, {
      username: user.username,
      roles: user.roles,
    });
  }

  /** A change of a user. @returns the user as they are then @throws UNAUTHENTICATED, FORBIDDEN, NOT_FOUND */
  async #change(who: string, actor: Actor | undefined, change: Change): Promise<User> {
    return this.#locked(
      who,
      actor,
      async ({ transaction, user, now }) => (await change(transaction, user, now)) ?? user,
    );
  }

  /** As `#change`, of what may take an administrator away. @throws FORBIDDEN for the last administrator too */
  async #changeAdministrators(who: string, actor: Actor | undefined, change: Change): Promise<User> {
    const { id } = await this.get(who);
    return inTransaction(this.deps.db, async (transaction) => {
      await lockAdministrators(transaction);
      const administrators = await countAdministrators(transaction);
      const { user, now } = await this.#lock(transaction, id, actor);
      const changed = (await change(transaction, user, now)) ?? user;
      await keepAnAdministrator(transaction, administrators);
      return changed;
    });
  }

  /** Work on a user, whom nothing else changes meanwhile. */
  async #locked<T>(
    who: string,
    actor: Actor | undefined,
    work: (locked: { transaction: Database; user: User; now: number }) => Promise<T>,
  ): Promise<T> {
    const { id } = await this.get(who);
    return inTransaction(this.deps.db, async (transaction) =>
      work({ transaction, ...(await this.#lock(transaction, id, actor)) }),
    );
  }

  async #lock(
    transaction: Database,
    id: string,
    actor: Actor | undefined,
  ): Promise<{ user: User; now: number }> {
    const now = this.deps.clock.now();
    const subject =
      actor === undefined
        ? await lockUser(transaction, id)
        : (await authorize(transaction, actor, { now, role: "ADMIN", subjectId: id })).subject;
    return { user: subject ?? noSuchUser("id"), now };
  }

  async #record(
    transaction: Database,
    type: AuditEventType,
    subject: User,
    actor: Actor | undefined,
    details: Record<string, unknown> = {},
  ): Promise<void> {
    await this.deps.audit.record(transaction, type, { ...changedBy(actor), subjectId: subject.id, details });
  }
}

/** What the user is told of: another name or address to log in with. */
function noticesOf(user: User, { username = user.username, email = user.email }: AccountChanges): Notice[] {
  const notices: Notice[] = [];
  if (username !== user.username) notices.push({ kind: "USERNAME_CHANGED", facts: { username } });
  if (email !== user.email) notices.push({ kind: "EMAIL_CHANGED", facts: { username, newEmail: email } });
  return notices;
}

type Change = (transaction: Database, user: User, now: number) => Promise<User | undefined>;

/** The administrator, or the operator when there is no actor. */
function changedBy(actor: Actor | undefined): ChangedBy {
  return { actorId: actor?.userId, caller: actor?.caller };
}

/** Every user has the role USER; the order is always the same. */
function withUser(roles: readonly Role[]): Role[] {
  return ROLES.filter((role) => role === "USER" || roles.includes(role));
}

function isId(who: string): boolean {
  return who.length === 36;
}

function taken(field: "username" | "email"): LatchkeyError<"CONFLICT"> {
  return new LatchkeyError("CONFLICT", `This ${field} is already in use.`, { field });
}

function noSuchUser(by: "id" | "username"): never {
  throw new LatchkeyError("NOT_FOUND", `There is no user with this ${by}.`);
}
