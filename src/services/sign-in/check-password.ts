import type { Clock } from "../../clock.js";
import type { Passwords } from "../../crypto/passwords.js";
import { LatchkeyError } from "../../errors.js";
import { findPasswordHash, replacePasswordHash } from "../../storage/credentials.js";
import type { Database } from "../../storage/database.js";
import type { User } from "../../storage/users.js";
import type { Audit, Caller } from "../audit.js";
import type { PasswordQueue } from "../limits/password-queue.js";
import type { RateLimits } from "../limits/rate-limits.js";
import type { Proof } from "./proof.js";

/** Whose password to check. */
export interface PasswordTarget {
  /** Undefined when nobody has the name. */
  user: User | undefined;
  /** What the account was called, normalized. */
  name: string;
  /** The message of INVALID_CREDENTIALS. */
  rejection: string;
}

export interface PasswordCheckDeps {
  db: Database;
  clock: Clock;
  rateLimits: RateLimits;
  passwords: Passwords;
  passwordQueue: PasswordQueue;
  audit: Audit;
}

/** The first half of signing in: whether a password is the account's. */
export class PasswordCheck {
  constructor(private readonly deps: PasswordCheckDeps) {}

  /**
   * Checks a password within the rate limits, and audits a wrong one. The proof holds until the hash is replaced.
   * @throws INVALID_CREDENTIALS after the same work for an unknown user and a wrong password; RATE_LIMITED; OVERLOADED
   */
  async check({ user, name, rejection }: PasswordTarget, password: string, caller: Caller): Promise<Proof> {
    const attempter = await this.deps.rateLimits.identify(caller, { userId: user?.id, name });
    const { attempt, hash } = await this.deps.passwordQueue.withSlot(attempter, async () => {
      const attempt = await this.deps.rateLimits.begin(attempter, "PASSWORD");
      return { attempt, hash: await this.#verify(user, password).catch(attempt.fail) };
    });
    if (user !== undefined && hash !== undefined) {
      const confirm = async (transaction: Database) =>
        (await findPasswordHash(transaction, user.id)) === hash;
      const reject = () => attempt.fail(new LatchkeyError("INVALID_CREDENTIALS", rejection));
      return { user, methods: ["pwd"], attempt, confirm, reject };
    }
    // Nothing that was typed is recorded: people type passwords into the wrong field.
    const details = { reason: "INVALID_CREDENTIALS" };
    await this.deps.audit.record(this.deps.db, "LOGIN_FAILED", { subjectId: user?.id, caller, details });
    return attempt.fail(new LatchkeyError("INVALID_CREDENTIALS", rejection));
  }

  /** @returns the user's hash, of the configured cost from now on; undefined when the password is wrong */
  async #verify(user: User | undefined, password: string): Promise<string | undefined> {
    const hash = await findPasswordHash(this.deps.db, user?.id ?? "");
    const correct = await this.deps.passwords.verify(password, hash);
    if (!correct || user === undefined || hash === undefined) return undefined;
    if (!this.deps.passwords.needsRehash(hash)) return hash;
    const newHash = await this.deps.passwords.hash(password);
    const now = this.deps.clock.now();
    await replacePasswordHash(this.deps.db, user.id, { from: hash, to: newHash, now });
    return newHash;
  }
}
