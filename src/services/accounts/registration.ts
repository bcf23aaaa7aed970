import type { Clock, NewId } from "../../clock.js";
import { LatchkeyError } from "../../errors.js";
import { setPasswordHash } from "../../storage/credentials.js";
import { type Database, inTransaction } from "../../storage/database.js";
import { type User, updateUser } from "../../storage/users.js";
import type { Audit, Caller } from "../audit.js";
import { invalidOneTimeToken, type OneTimeTokens, unlessTaken } from "../email/one-time-tokens.js";
import type { Outbox } from "../email/outbox.js";
import { identityViolations } from "../identifiers.js";
import type { RateLimits } from "../limits/rate-limits.js";
import type { AccountAccess } from "../passwords/account-access.js";
import type { PasswordPolicy } from "../passwords/policy.js";
import { addUser, newUser } from "./new-user.js";

export interface NewRegistration {
  username: string;
  email: string;
  password: string;
  fullName: string | null;
}

export interface RegistrationDeps {
  db: Database;
  clock: Clock;
  newId: NewId;
  audit: Audit;
  rateLimits: RateLimits;
  policy: PasswordPolicy;
  tokens: OneTimeTokens;
  access: AccountAccess;
  outbox: Outbox;
  open: boolean;
}

/**
 * Self-service registration. Only the owner of an address learns, by email, whether it has an account. Any number of
 * accounts can claim an address; the first to verify it gets it.
 */
export class Registration {
  constructor(private readonly deps: RegistrationDeps) {}

  /** @throws FORBIDDEN when registration is closed; BAD_USER_INPUT; CONFLICT for a taken username; RATE_LIMITED; OVERLOADED */
  async register(input: NewRegistration, caller: Caller): Promise<User> {
    if (!this.deps.open)
      throw new LatchkeyError("FORBIDDEN", "Registration is closed. Ask an administrator.");
    const user = newUser(input, { ...this.deps, verified: false });
    const otherViolations = identityViolations(user);
    const hash = await this.deps.policy.hashInQueue(
      input.password,
      { owner: user, otherViolations },
      {
        holder: { caller, account: "", known: false },
        count: () => this.deps.rateLimits.count("REGISTRATION", caller),
      },
    );
    await inTransaction(this.deps.db, async (transaction) => {
      await addUser(transaction, user);
      await setPasswordHash(transaction, user.id, hash, user.createdAt);
      await this.deps.audit.record(transaction, "ACCOUNT_REGISTERED", {
        actorId: user.id,
        subjectId: user.id,
        caller,
      });
      await this.deps.outbox.enqueue(transaction, { kind: "REGISTRATION", email: user.email });
    });
    this.deps.outbox.wake();
    return user;
  }

  /** @throws INVALID_TOKEN, RATE_LIMITED */
  async verifyEmail(token: string, caller: Caller): Promise<void> {
    await this.deps.rateLimits.guessToken(caller, () => unlessTaken(this.#verifyEmail(token, caller)));
  }

  async #verifyEmail(token: string, caller: Caller): Promise<void> {
    await inTransaction(this.deps.db, async (transaction) => {
      const consumed = await this.deps.tokens.consumeOrRepeat(transaction, "EMAIL_VERIFICATION", token);
      if (consumed === undefined) return;
      const { user, email } = consumed;
      if (user.email !== email) throw invalidOneTimeToken();
      // An earlier invitation would set a password on an account that is in use.
      await this.deps.access.withdrawTokens(transaction, user);
      const now = this.deps.clock.now();
      await updateUser(transaction, user.id, { emailVerifiedAt: user.emailVerifiedAt ?? now }, now);
      const event = { actorId: user.id, subjectId: user.id, caller };
      await this.deps.audit.record(transaction, "EMAIL_VERIFIED", event);
    });
  }
}
