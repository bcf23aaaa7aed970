import type { Clock } from "../../clock.js";
import type { Passwords } from "../../crypto/passwords.js";
import { type ErrorCode, LatchkeyError } from "../../errors.js";
import type { Metrics } from "../../metrics.js";
import { findPasswordHash, replacePasswordHash } from "../../storage/credentials.js";
import { type Database, inTransaction } from "../../storage/database.js";
import { findUserByLogin, lockUser, type User } from "../../storage/users.js";
import type { Audit, Caller } from "../audit.js";
import { isLogin, normalizeLogin } from "../identifiers.js";
import type { PasswordQueue } from "../limits/password-queue.js";
import type { RateLimits, Succeeded } from "../limits/rate-limits.js";
import type { IssuedToken, Sessions } from "../sessions/sessions.js";

const REFUSALS = {
  ACCOUNT_DISABLED: "This account has been disabled. Ask an administrator.",
  EMAIL_NOT_VERIFIED: "Open the link in the email we sent you first, or ask for another.",
};

export interface LoginDeps {
  db: Database;
  rateLimits: RateLimits;
  passwords: Passwords;
  passwordQueue: PasswordQueue;
  sessions: Sessions;
  audit: Audit;
  clock: Clock;
  metrics: Metrics;
}

/** Signing in with a password. */
export class Login {
  constructor(private readonly deps: LoginDeps) {}

  /**
   * Starts a session for the user with this username or email address and password.
   * @throws INVALID_CREDENTIALS the same, after the same work, for an unknown user and a wrong password
   * @throws ACCOUNT_DISABLED, EMAIL_NOT_VERIFIED only to who knows the password
   * @throws RATE_LIMITED too many failed attempts; OVERLOADED too many passwords are being checked
   */
  async login(username: string, password: string, caller: Caller): Promise<IssuedToken> {
    return this.deps.metrics.login(this.#login(username, password, caller));
  }

  async #login(username: string, password: string, caller: Caller): Promise<IssuedToken> {
    const name = normalizeLogin(username);
    const candidate = isLogin(name) ? await findUserByLogin(this.deps.db, name) : undefined;
    const attempter = await this.deps.rateLimits.identify(caller, { userId: candidate?.id, name });
    return this.deps.passwordQueue.withSlot(attempter, () =>
      this.deps.rateLimits.guessPassword(attempter, async (succeeded) => {
        let token: IssuedToken | undefined;
        // Again, when the password was changed meanwhile, or hashed anew by another login.
        while (token === undefined) token = await this.#tryLogin(candidate, password, succeeded, caller);
        return token;
      }),
    );
  }

  /** @returns undefined when the stored hash was replaced while the password was checked against it */
  async #tryLogin(
    candidate: User | undefined,
    password: string,
    succeeded: Succeeded,
    caller: Caller,
  ): Promise<IssuedToken | undefined> {
    const hash = await findPasswordHash(this.deps.db, candidate?.id ?? "");
    const right = await this.deps.passwords.verify(password, hash);
    if (!right || candidate === undefined || hash === undefined) {
      await this.#refused("INVALID_CREDENTIALS", candidate, caller);
      throw new LatchkeyError("INVALID_CREDENTIALS", "The username or the password is wrong.");
    }
    const newHash = this.deps.passwords.needsRehash(hash)
      ? await this.deps.passwords.hash(password)
      : undefined;
    const started = await inTransaction(this.deps.db, async (transaction) => {
      const user = await lockUser(transaction, candidate.id);
      // Checking the password took a while: what it was checked against must still hold.
      if (user === undefined || (await findPasswordHash(transaction, user.id)) !== hash) return undefined;
      if (user.disabledAt !== null)
        return { kind: "refused" as const, user, code: "ACCOUNT_DISABLED" as const };
      if (user.emailVerifiedAt === null)
        return { kind: "refused" as const, user, code: "EMAIL_NOT_VERIFIED" as const };
      if (newHash !== undefined) {
        await replacePasswordHash(transaction, user.id, {
          from: hash,
          to: newHash,
          now: this.deps.clock.now(),
        });
      }
      const started = await this.deps.sessions.start(transaction, user, caller);
      const event = { actorId: user.id, subjectId: user.id, sessionId: started.session.id, caller };
      await this.deps.audit.record(transaction, "LOGIN_SUCCEEDED", event);
      await succeeded(transaction);
      return { kind: "started" as const, ...started, user };
    });
    if (started === undefined) return undefined;
    if (started.kind === "refused") {
      await this.#refused(started.code, started.user, caller);
      throw new LatchkeyError(started.code, REFUSALS[started.code]);
    }
    return this.deps.sessions.issueToken(started.session, started.user, started.refreshToken);
  }

  /** Nothing of what was typed is written down: people type passwords into the wrong field. */
  async #refused(reason: ErrorCode, user: User | undefined, caller: Caller): Promise<void> {
    await this.deps.audit.record(this.deps.db, "LOGIN_FAILED", {
      subjectId: user?.id,
      caller,
      details: { reason },
    });
  }
}
