import type { Clock, NewId } from "../../clock.js";
import { costOf, isRunnableHash } from "../../crypto/passwords.js";
import { invalidInput, LatchkeyError } from "../../errors.js";
import { setPasswordHash } from "../../storage/credentials.js";
import { type Database, inTransaction } from "../../storage/database.js";
import { deleteUser } from "../../storage/user-deletion.js";
import { findUserByLogin, findUserByUsername, lockUser, type User } from "../../storage/users.js";
import type { Audit } from "../audit.js";
import { addUser, nameTaken, newUser } from "./new-user.js";

/** One line of a file: its number, and what it holds or why it could not be read. */
export type ImportLine = { line: number } & ({ record: Record<string, unknown> } | { unreadable: string });

/** A good line: the user it makes. */
interface Candidate {
  user: User;
  passwordHash: string;
}

export interface ImportReport {
  created: number;
  /** Users that were there already, with the same verified email address: they are left as they are. */
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
  /** The highest cost of an imported hash. */
  bcryptCost: number;
}

/** Takes over users, with their bcrypt hashes, from another system. */
export class UserImport {
  constructor(private readonly deps: UserImportDeps) {}

  /**
   * Writes the users of all good lines; a bad line is reported and stops nothing else. Running it again
   * changes nothing that is there.
   * @param onBatch called after each batch that has been written
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
   * The operator vouches for the address, so whoever claims it without having verified it gives way: else they could let
   * themselves in with a password of their own once the owner follows the link.
   * @throws CONFLICT when the username has another address, or another user has verified this one
   */
  async #writeUser(
    transaction: Database,
    { user, passwordHash }: Candidate,
  ): Promise<"created" | "existing"> {
    const found = await findUserByUsername(transaction, user.username);
    // Whoever verifies the address at this moment has it, or finds the account gone.
    const taken = found?.emailVerifiedAt === null ? await lockUser(transaction, found.id) : found;
    if (taken !== undefined) {
      if (taken.email !== user.email) throw nameTaken("username");
      if (taken.emailVerifiedAt !== null) return "existing";
      if (await findUserByLogin(transaction, user.email)) throw nameTaken("email");
      await this.#record(transaction, "ACCOUNT_DELETED", taken.id, { username: taken.username });
      await deleteUser(transaction, taken.id, user.createdAt);
    }
    await addUser(transaction, user);
    await setPasswordHash(transaction, user.id, passwordHash, user.createdAt);
    await this.#record(transaction, "USER_CREATED", user.id, {});
    return "created";
  }

  async #record(
    transaction: Database,
    type: "USER_CREATED" | "ACCOUNT_DELETED",
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
    // Checking it would take longer than for a user who does not exist.
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
