import type { Clock } from "../../clock.js";
import { LatchkeyError } from "../../errors.js";
import { findPasswordHash } from "../../storage/credentials.js";
import type { Database } from "../../storage/database.js";
import type { User } from "../../storage/users.js";
import type { Caller } from "../audit.js";
import { type Actor, authorize } from "../sessions/viewer.js";
import type { CheckedPassword, PasswordCheck } from "./check-password.js";

const REJECTION = "The password is wrong.";

export interface ReauthenticationDeps {
  clock: Clock;
  passwordCheck: PasswordCheck;
}

/** Asks a signed-in user for the password again, before a change that could lock them out. */
export class Reauthentication {
  constructor(private readonly deps: ReauthenticationDeps) {}

  /**
   * Checks the password. The caller ends the attempt: with `authorize` in the transaction of the change, or `fail`.
   * @throws INVALID_CREDENTIALS, which counts as a failed login; RATE_LIMITED; OVERLOADED
   */
  async check(user: User, password: string, caller: Caller): Promise<CheckedPassword> {
    const target = { user, name: user.username, rejection: REJECTION };
    return this.deps.passwordCheck.check(target, password, caller);
  }

  /**
   * Begins the transaction of the change: authorizes the actor, and records that the password was correct. It may have
   * been replaced since it was checked.
   * @returns the user as they are now
   * @throws UNAUTHENTICATED, INVALID_CREDENTIALS
   */
  async authorize(transaction: Database, actor: Actor, { hash, attempt }: CheckedPassword): Promise<User> {
    const { user } = await authorize(transaction, actor, { now: this.deps.clock.now() });
    if ((await findPasswordHash(transaction, user.id)) !== hash) {
      throw new LatchkeyError("INVALID_CREDENTIALS", REJECTION);
    }
    await attempt.succeed(transaction);
    return user;
  }
}
