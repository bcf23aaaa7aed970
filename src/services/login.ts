import type { Clock } from "../clock.js";
import type { Passwords } from "../crypto/passwords.js";
import { LatchkeyError } from "../errors.js";
import { findPasswordHash, replacePasswordHash } from "../storage/credentials.js";
import type { Database } from "../storage/database.js";
import { findUserByLogin } from "../storage/users.js";
import { normalizeLogin } from "./identifiers.js";
import type { IssuedToken, Sessions } from "./sessions.js";

/** Signing in with a password. */
export class Login {
  readonly #db: Database;
  readonly #passwords: Passwords;
  readonly #sessions: Sessions;
  readonly #clock: Clock;

  constructor(deps: { db: Database; passwords: Passwords; sessions: Sessions; clock: Clock }) {
    this.#db = deps.db;
    this.#passwords = deps.passwords;
    this.#sessions = deps.sessions;
    this.#clock = deps.clock;
  }

  /**
   * Starts a session for the user with this username or e-mail address and password.
   * @throws INVALID_CREDENTIALS the same, after the same work, for an unknown user and a wrong password
   * @throws ACCOUNT_DISABLED only to who knows the password
   * @throws OVERLOADED too many passwords are being checked
   */
  async login(username: string, password: string): Promise<IssuedToken> {
    const login = normalizeLogin(username);
    const candidate = await findUserByLogin(this.#db, login);
    const hash = await findPasswordHash(this.#db, candidate?.id ?? "");
    if (!(await this.#passwords.verify(password, hash)) || hash === undefined) throw invalidCredentials();
    const betterHash = this.#passwords.needsRehash(hash) ? await this.#hashIfIdle(password) : undefined;

    const started = await this.#db.transaction().execute(async (transaction) => {
      const user = await findUserByLogin(transaction, login);
      // Checking the password took a while: what it was checked against must still hold.
      if (user === undefined || (await findPasswordHash(transaction, user.id)) !== hash) return undefined;
      if (user.disabledAt !== null) {
        throw new LatchkeyError("ACCOUNT_DISABLED", "This account has been disabled. Ask an administrator.");
      }
      if (betterHash !== undefined) {
        await replacePasswordHash(transaction, user.id, {
          from: hash,
          to: betterHash,
          now: this.#clock.now(),
        });
      }
      return { session: await this.#sessions.start(transaction, user), user };
    });
    // The password was changed meanwhile, or hashed anew by another login: check it against what is there now.
    if (started === undefined) return this.login(username, password);
    return this.#sessions.issueToken(started.session, started.user);
  }

  /** A better hash can wait for the next login; this login cannot. */
  async #hashIfIdle(password: string): Promise<string | undefined> {
    try {
      return await this.#passwords.hash(password);
    } catch (error) {
      if (error instanceof LatchkeyError && error.code === "OVERLOADED") return undefined;
      throw error;
    }
  }
}

function invalidCredentials(): LatchkeyError {
  return new LatchkeyError("INVALID_CREDENTIALS", "The username or the password is wrong.");
}
