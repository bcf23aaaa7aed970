import type { Clock, NewId } from "../../clock.js";
import { costOf, isRunnableHash } from "../../crypto/passwords.js";
import { invalidInput, LatchkeyError } from "../../errors.js";
import { findPasswordHash, setPasswordHash } from "../../storage/credentials.js";
import { type Database, inTransaction } from "../../storage/database.js";
import { deleteUser } from "../../storage/user-deletion.js";
import { findUserByLogin, findUserByUsername, lockUser, type User, updateUser } from "../../storage/users.js";
import type { Audit } from "../audit.js";
import { checkIdentity } from "../identifiers.js";
import type { AccountAccess } from "../passwords/account-access.js";
import { addUser, nameTaken, newUser } from "./new-user.js";

/** One line of a file: its number, and its record or why it could not be read. */
export type ImportLine = { line: number } & ({ record: Record<string, unknown> } | { unreadable: string });

/** The user that a valid line describes. */
interface Candidate {
  user: User;
  passwordHash: string;
}

export interface ImportReport {
  /** New users, and invited ones that got their password. */
  created: number;
  /** Users that existed already, with the same verified email address: they are left as they are. */
  existing: number;
  failed: { line: number; problem: string }[];
}

/** Lines written in one transaction: one flush to disk for many users. */
const BATCH = 200;

export interface UserImportDeps {
  db: Database;
  clock: Clock;
  newId: NewId;
  audit: Audit;
  access: AccountAccess;
  /** The highest cost of an imported hash. */
  bcryptCost: number;
}

/** Imports users, with their bcrypt hashes, from another system. */
export class UserImport {
  constructor(private readonly deps: UserImportDeps) {}

  /**
   * Writes the users of all valid lines; an invalid line is reported and the import continues. Running it again changes
   * nothing.
   * @param onBatch called after each batch is written
   */
  async import(lines: AsyncIterable<ImportLine>, onBatch: () => void): Promise<ImportReport> {
    const report: ImportReport = { created: 0, existing: 0, failed: [] };
    let batch: ImportLine[] = [];
    const flush = async () => {
      await this.#writeBatch(batch, report);
      onBatch();
      batch = [];
    };
    for await (const line of lines) {
      batch.push(line);
      if (batch.length === BATCH) await flush();
    }
    if (batch.length > 0) await flush();
    return report;
  }

  async #writeBatch(batch: ImportLine[], report: ImportReport): Promise<void> {
    const outcomes = await inTransaction(this.deps.db, async (transaction) => {
      const outcomes: ({ line: number; problem: string } | "created" | "existing")[] = [];
      for (const entry of batch) {
        try {
          outcomes.push(await this.#write(transaction, entry));
        } catch (error) {
          if (!(error instanceof LatchkeyError)) throw error;
          outcomes.push({ line: entry.line, problem: error.message });
        }
      }
      return outcomes;
    });
    for (const outcome of outcomes) {
      if (typeof outcome === "string") report[outcome]++;
      else report.failed.push(outcome);
    }
  }

  async #write(transaction: Database, entry: ImportLine): Promise<"created" | "existing"> {
    if ("unreadable" in entry)
      throw new LatchkeyError("BAD_USER_INPUT", entry.unreadable, { violations: [] });
    return this.#writeUser(transaction, this.#read(entry.record));
  }

  /**
   * The operator vouches for the address. An account that claims it without having verified it is completed when it was
   * invited, and replaced when somebody registered it: whoever did could sign in with a password of their own.
   * @throws CONFLICT for a name that another account has, and for an account that was disabled before it was verified
   */
  async #writeUser(
    transaction: Database,
    { user, passwordHash }: Candidate,
  ): Promise<"created" | "existing"> {
    const found = await findUserByUsername(transaction, user.username);
    // Under the lock: the address may be verified at this moment.
    const existing = found?.emailVerifiedAt === null ? await lockUser(transaction, found.id) : found;
    if (existing !== undefined) {
      if (existing.email !== user.email) throw nameTaken("username");
      if (existing.emailVerifiedAt !== null) return "existing";
      if (await findUserByLogin(transaction, user.email)) throw nameTaken("email");
      if (existing.disabledAt !== null) throw accountDisabled();
      if ((await findPasswordHash(transaction, existing.id)) === undefined) {
        await this.#completeInvited(transaction, existing, { user, passwordHash });
        return "created";
      }
      await this.#record(transaction, "ACCOUNT_DELETED", existing.id, { username: existing.username });
      await deleteUser(transaction, existing.id, user.createdAt);
    }
    await addUser(transaction, user);
    await setPasswordHash(transaction, user.id, passwordHash, user.createdAt);
    await this.#record(transaction, "USER_CREATED", user.id, {});
    return "created";
  }

  /** The account keeps its id and the roles an administrator gave it; its invitation stops working. */
  async #completeInvited(
    transaction: Database,
    invited: User,
    { user, passwordHash }: Candidate,
  ): Promise<void> {
    const { emailVerifiedAt, disabledAt, createdAt: now } = user;
    const fullName = user.fullName ?? invited.fullName;
    await this.deps.access.withdrawTokens(transaction, invited);
    await updateUser(transaction, invited.id, { emailVerifiedAt, disabledAt, fullName }, now);
    await setPasswordHash(transaction, invited.id, passwordHash, now);
    await this.#record(transaction, "USER_UPDATED", invited.id, { changed: ["password"] });
  }

  async #record(
    transaction: Database,
    type: "USER_CREATED" | "USER_UPDATED" | "ACCOUNT_DELETED",
    subjectId: string,
    details: Record<string, unknown>,
  ): Promise<void> {
    await this.deps.audit.record(transaction, type, { subjectId, details: { ...details, imported: true } });
  }

  #read(record: Record<string, unknown>): Candidate {
    const passwordHash = text(record, "password_hash");
    if (!isRunnableHash(passwordHash)) {
      const message = "password_hash must be a bcrypt hash ($2a$, $2b$ or $2y$) of a cost from 4 to 15";
      throw invalidInput([{ field: "password_hash", rule: "bcrypt", message }]);
    }
    // Checking it would take longer than the hash that is checked for an unknown user.
    if (costOf(passwordHash) > this.deps.bcryptCost) {
      const message = `password_hash costs more than BCRYPT_COST: raise BCRYPT_COST to ${costOf(passwordHash)} to import it`;
      throw invalidInput([{ field: "password_hash", rule: "bcryptCost", message }]);
    }
    const account = {
      username: text(record, "username"),
      email: text(record, "email"),
      fullName: text(record, "full_name") || null,
    };
    const user = newUser(account, { ...this.deps, verified: true });
    checkIdentity(user);
    return { user: flag(record, "disabled") ? { ...user, disabledAt: user.createdAt } : user, passwordHash };
  }
}

function text(record: Record<string, unknown>, field: string): string {
  const value = record[field] ?? "";
  if (typeof value === "string") return value;
  throw invalidInput([{ field, rule: "text", message: `${field} must be text` }]);
}

function flag(record: Record<string, unknown>, field: string): boolean {
  const value = record[field] ?? "";
  const flag = typeof value === "string" ? value.toLowerCase() : value;
  if (["", "0", "f", "false", 0, false].some((no) => no === flag)) return false;
  if (["1", "t", "true", 1, true].some((yes) => yes === flag)) return true;
  throw invalidInput([{ field, rule: "flag", message: `${field} must be true or false` }]);
}

function accountDisabled(): LatchkeyError<"CONFLICT"> {
  return new LatchkeyError(
    "CONFLICT",
    "This account is disabled. Enable it first, or leave it out of the file.",
    { field: "username" },
  );
}
