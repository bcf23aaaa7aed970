import { costOf, isRunnableHash } from "../crypto/passwords.js";
import { invalidInput, LatchkeyError } from "../errors.js";
import { setPasswordHash } from "../storage/credentials.js";
import { type Database, inTransaction } from "../storage/database.js";
import { findUserByUsername, insertUser, type User } from "../storage/users.js";
import type { Accounts } from "./accounts.js";
import type { Audit } from "./audit.js";

/** One line of a file: its number, and what it holds or why it could not be read. */
export type ImportLine = { line: number } & ({ record: Record<string, unknown> } | { unreadable: string });

export interface ImportReport {
  created: number;
  /** Users that were there already, with the same e-mail address: they are left as they are. */
  existing: number;
  failed: { line: number; problem: string }[];
}

/** Lines written in one transaction: one flush to disk for many users. */
const BATCH = 200;

/** Takes over users, with their bcrypt hashes, from another system. */
export class UserImport {
  readonly #db: Database;
  readonly #accounts: Accounts;
  readonly #audit: Audit;
  readonly #bcryptCost: number;

  /** @param deps.bcryptCost the highest cost of a hash that is taken over */
  constructor(deps: { db: Database; accounts: Accounts; audit: Audit; bcryptCost: number }) {
    this.#db = deps.db;
    this.#accounts = deps.accounts;
    this.#audit = deps.audit;
    this.#bcryptCost = deps.bcryptCost;
  }

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
    const outcomes = await inTransaction(this.#db, async (transaction) => {
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
    const { user, passwordHash } = this.#read(entry.record);
    if (await insertUser(transaction, user)) {
      await setPasswordHash(transaction, user.id, passwordHash, user.createdAt);
      await this.#audit.record(transaction, "USER_CREATED", {
        subjectId: user.id,
        details: { imported: true },
      });
      return "created";
    }
    const taken = await findUserByUsername(transaction, user.username);
    if (taken?.email === user.email) return "existing";
    const field = taken ? "username" : "email";
    throw new LatchkeyError("CONFLICT", `This ${field} belongs to another user.`, { field });
  }

  #read(record: Record<string, unknown>): { user: User; passwordHash: string } {
    const passwordHash = text(record, "password_hash");
    if (!isRunnableHash(passwordHash)) {
      const message = "password_hash must be a bcrypt hash ($2a$, $2b$ or $2y$) of a cost from 4 to 15";
      throw invalidInput([{ field: "password_hash", rule: "bcrypt", message }]);
    }
    // Checking it would take longer than for a user who does not exist.
    if (costOf(passwordHash) > this.#bcryptCost) {
      const message = `password_hash costs more than BCRYPT_COST: raise BCRYPT_COST to ${costOf(passwordHash)} to import it`;
      throw invalidInput([{ field: "password_hash", rule: "bcryptCost", message }]);
    }
    const user = this.#accounts.newUser({
      username: text(record, "username"),
      email: text(record, "email"),
      fullName: text(record, "full_name") || null,
    });
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
  const text = String(value).toLowerCase();
  if (["", "0", "f", "false"].includes(text)) return false;
  if (["1", "t", "true"].includes(text)) return true;
  throw invalidInput([{ field, rule: "flag", message: `${field} must be true or false` }]);
}
