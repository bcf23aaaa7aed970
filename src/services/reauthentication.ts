import type { Passwords } from "../crypto/passwords.js";
import { LatchkeyError } from "../errors.js";
import { findPasswordHash } from "../storage/credentials.js";
import type { Database } from "../storage/database.js";
import type { User } from "../storage/users.js";
import type { Audit, Client } from "./audit.js";

/** Asks a user who is signed in for the password again, before what cannot be undone. */
export class Reauthentication {
  readonly #db: Database;
  readonly #passwords: Passwords;
  readonly #audit: Audit;

  constructor(deps: { db: Database; passwords: Passwords; audit: Audit }) {
    this.#db = deps.db;
    this.#passwords = deps.passwords;
    this.#audit = deps.audit;
  }

  /** @throws INVALID_CREDENTIALS, which counts as a failed login; OVERLOADED */
  async check(user: User, password: string, client: Client): Promise<void> {
    const hash = await findPasswordHash(this.#db, user.id);
    if (await this.#passwords.verify(password, hash)) return;
    const details = { reason: "INVALID_CREDENTIALS" };
    await this.#audit.record(this.#db, "LOGIN_FAILED", { subjectId: user.id, client, details });
    throw new LatchkeyError("INVALID_CREDENTIALS", "The password is wrong.");
  }
}
