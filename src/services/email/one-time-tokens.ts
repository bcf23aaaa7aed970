import { type Clock, DAY, MINUTE } from "../../clock.js";
import { hashOpaqueToken, newOpaqueToken } from "../../crypto/opaque-tokens.js";
import { LatchkeyError } from "../../errors.js";
import { type Database, isUniqueViolation } from "../../storage/database.js";
import {
  consumeOneTimeToken,
  findOneTimeToken,
  hasOneTimeToken,
  replaceOneTimeToken,
  type TokenPurpose,
} from "../../storage/one-time-tokens.js";
import { findUserById, lockUser, type User } from "../../storage/users.js";

/** How long a token works, in milliseconds. A reset's is ASVS 6.5.5's. */
const LIFETIMES: Record<TokenPurpose, number> = {
  EMAIL_VERIFICATION: DAY,
  PASSWORD_RESET: 10 * MINUTE,
  INVITATION: 7 * DAY,
  EMAIL_CHANGE: DAY,
};

export interface IssuedOneTimeToken {
  token: string;
  /** Epoch milliseconds. */
  expiresAt: number;
}

/** Tokens that are sent by email and work once, for one purpose. */
export class OneTimeTokens {
  readonly #clock: Clock;

  constructor({ clock }: { clock: Clock }) {
    this.#clock = clock;
  }

  /** A new token; those the user had for the purpose no longer work. The transaction has locked the user. */
  async issue(
    transaction: Database,
    purpose: TokenPurpose,
    { userId, email }: { userId: string; email: string },
  ): Promise<IssuedOneTimeToken> {
    const token = newOpaqueToken();
    const expiresAt = this.#clock.now() + LIFETIMES[purpose];
    const tokenHash = hashOpaqueToken(token);
    await replaceOneTimeToken(transaction, { tokenHash, userId, purpose, email, expiresAt });
    return { token, expiresAt };
  }

  /**
   * The token for another try to send one that was issued: the same while it works, and a new one when it has expired
   * before anything took its place.
   * @returns undefined when it was used, or a later one or a withdrawal took its place
   */
  async issueAgain(
    transaction: Database,
    purpose: TokenPurpose,
    { token, expiresAt }: IssuedOneTimeToken,
    owner: { userId: string; email: string },
  ): Promise<IssuedOneTimeToken | undefined> {
    const now = this.#clock.now();
    if (await findOneTimeToken(transaction, { tokenHash: hashOpaqueToken(token), purpose, now }))
      return { token, expiresAt };
    if (expiresAt > now || (await hasOneTimeToken(transaction, owner.userId, { purpose, now })))
      return undefined;
    return this.issue(transaction, purpose, owner);
  }

  /**
   * Consumes a token, and locks the user it is for. It belongs to a transaction, whose failure leaves the token.
   * @throws INVALID_TOKEN when it is unknown, used, expired, for another purpose, or its user is disabled or gone
   */
  async consume(
    transaction: Database,
    purpose: TokenPurpose,
    token: string,
  ): Promise<{ user: User; email: string }> {
    const key = { tokenHash: hashOpaqueToken(token), purpose, now: this.#clock.now() };
    const found = await findOneTimeToken(transaction, key);
    const user = found && (await lockUser(transaction, found.userId));
    // Consumed by whoever had the user's lock before, or withdrawn with a new password.
    if (user?.disabledAt !== null || !(await consumeOneTimeToken(transaction, key)))
      throw invalidOneTimeToken();
    return { user, email: found!.email };
  }

  /** Whose unused token this is; it stays unused. @throws INVALID_TOKEN */
  async ownerOf(db: Database, purpose: TokenPurpose, token: string): Promise<User> {
    const key = { tokenHash: hashOpaqueToken(token), purpose, now: this.#clock.now() };
    const found = await findOneTimeToken(db, key);
    const user = found && (await findUserById(db, found.userId));
    if (user === undefined) throw invalidOneTimeToken();
    return user;
  }
}

export function invalidOneTimeToken(): LatchkeyError<"INVALID_TOKEN"> {
  return new LatchkeyError("INVALID_TOKEN", "The token is unknown, used or expired. Ask for a new email.");
}

/** Awaits what verifies an address. @throws INVALID_TOKEN when another account has verified it since the email was sent */
export async function unlessTaken(verifying: Promise<void>): Promise<void> {
  try {
    await verifying;
  } catch (error) {
    throw isUniqueViolation(error) ? invalidOneTimeToken() : error;
  }
}
