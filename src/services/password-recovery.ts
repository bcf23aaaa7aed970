import type { Clock } from "../clock.js";
import { hashOpaqueToken } from "../crypto/opaque-tokens.js";
import type { Passwords } from "../crypto/passwords.js";
import { setPasswordHash } from "../storage/credentials.js";
import { type Database, inTransaction } from "../storage/database.js";
import { findOneTimeToken, type TokenPurpose } from "../storage/one-time-tokens.js";
import { endSessions } from "../storage/sessions.js";
import { findUserById, lockUser, updateUser } from "../storage/users.js";
import type { Audit, Client } from "./audit.js";
import { invalidOneTimeToken, type OneTimeTokens, unlessTaken } from "./one-time-tokens.js";
import type { Outbox } from "./outbox.js";
import type { PasswordPolicy } from "./password-policy.js";
import type { Throttle } from "./throttle.js";

/** Setting a password with a token from a mail: who has forgotten theirs, and who was invited. */
export class PasswordRecovery {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #audit: Audit;
  readonly #throttle: Throttle;
  readonly #passwords: Passwords;
  readonly #policy: PasswordPolicy;
  readonly #tokens: OneTimeTokens;
  readonly #outbox: Outbox;

  constructor(deps: {
    db: Database;
    clock: Clock;
    audit: Audit;
    throttle: Throttle;
    passwords: Passwords;
    policy: PasswordPolicy;
    tokens: OneTimeTokens;
    outbox: Outbox;
  }) {
    this.#db = deps.db;
    this.#clock = deps.clock;
    this.#audit = deps.audit;
    this.#throttle = deps.throttle;
    this.#passwords = deps.passwords;
    this.#policy = deps.policy;
    this.#tokens = deps.tokens;
    this.#outbox = deps.outbox;
  }

  /** Sets a new password and ends all sessions; does not sign in. @throws INVALID_TOKEN, BAD_USER_INPUT, RATE_LIMITED, OVERLOADED */
  async reset(token: string, newPassword: string, client: Client): Promise<void> {
    const choice = { password: newPassword, field: "newPassword" };
    await this.#throttle.guessToken(client, () => this.#setPassword("PASSWORD_RESET", token, choice, client));
  }

  /** Sets the first password of an invited user, whose address it proves. @throws as reset */
  async acceptInvitation(token: string, password: string, client: Client): Promise<void> {
    const choice = { password, field: "password" };
    await this.#throttle.guessToken(client, () =>
      unlessTaken(this.#setPassword("INVITATION", token, choice, client)),
    );
  }

  async #setPassword(
    purpose: Extract<TokenPurpose, "PASSWORD_RESET" | "INVITATION">,
    token: string,
    { password, field }: { password: string; field: string },
    client: Client,
  ): Promise<void> {
    // A password that is refused must not cost the token: it is spent when all else is well.
    const known = await findOneTimeToken(this.#db, hashOpaqueToken(token), purpose, this.#clock.now());
    const owner = known && (await findUserById(this.#db, known.userId));
    if (owner === undefined) throw invalidOneTimeToken();
    const hash = await this.#passwords.withPlace({ userId: owner.id }, async () => {
      await this.#policy.check(password, owner, field);
      return this.#passwords.hash(password);
    });
    await inTransaction(this.#db, async (transaction) => {
      const { userId, email } = await this.#tokens.spend(transaction, purpose, token);
      const user = await lockUser(transaction, userId);
      if (user?.email !== email) throw invalidOneTimeToken();
      const now = this.#clock.now();
      await updateUser(transaction, userId, { emailVerifiedAt: user.emailVerifiedAt ?? now }, now);
      await setPasswordHash(transaction, userId, hash, now);
      await endSessions(transaction, userId, now);
      await this.#throttle.startAnew(transaction, userId, client);
      const type = purpose === "INVITATION" ? "INVITATION_ACCEPTED" : "PASSWORD_RESET";
      await this.#audit.record(transaction, type, { actorId: userId, subjectId: userId, client });
      await this.#outbox.enqueue(transaction, { kind: "PASSWORD_CHANGED", email, userId });
    });
    this.#outbox.wake();
  }
}
