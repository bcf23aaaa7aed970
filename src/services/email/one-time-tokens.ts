import { type Clock, DAY, MINUTE } from "../../clock.js";
import { hashOpaqueToken, newOpaqueToken } from "../../crypto/opaque-tokens.js";
import { hasCode, LatchkeyError } from "../../errors.js";
import { type Database, isUniqueViolation } from "../../storage/database.js";
import {
  consumeOneTimeToken,
  findOneTimeToken,
  findUsedOneTimeToken,
  hasOneTimeToken,
  replaceOneTimeToken,
  type TokenPurpose,
} from "../../storage/one-time-tokens.js";
import { findUserById, lockUser, type User } from "../../storage/users.js";

/** How long a token is valid, in milliseconds. For a password reset, see ASVS 6.5.5. */
const LIFETIMES: Record<TokenPurpose, number> = {
  EMAIL_VERIFICATION: DAY,
  PASSWORD_RESET: 10 * MINUTE,
  INVITATION: 7 * DAY,
  EMAIL_CHANGE: DAY,
};

/**
 * How long a token that has verified an address may be sent again, in milliseconds. A page that sends it when it opens
 * does so twice in React's StrictMode, or when it is reloaded, and shows the second answer.
 */
const REPEAT_WINDOW = MINUTE;

export interface IssuedOneTimeToken {
  token: string;
  /** Epoch milliseconds. */
  expiresAt: number;
}

export interface OneTimeTokensDeps {
  clock: Clock;
}

/** Tokens that are sent by email, and work once, for one purpose. */
export class OneTimeTokens {
  constructor(private readonly deps: OneTimeTokensDeps) {}

  /** Issues a token; the user's earlier token for the purpose stops working. The transaction has locked the user. */
  async issue(
    transaction: Database,
    purpose: TokenPurpose,
    { userId, email }: { userId: string; email: string },
  ): Promise<IssuedOneTimeToken> {
    const token = newOpaqueToken();
    const expiresAt = this.deps.clock.now() + LIFETIMES[purpose];
    const tokenHash = hashOpaqueToken(token);
    await replaceOneTimeToken(transaction, { tokenHash, userId, purpose, email, expiresAt });
    return { token, expiresAt };
  }

  /**
   * Returns the token for another attempt to send one that was issued: the same token while it is valid, or a new one
   * when it has expired.
   * @returns undefined when it was consumed, replaced or withdrawn
   */
  async reissue(
    transaction: Database,
    purpose: TokenPurpose,
    { token, expiresAt }: IssuedOneTimeToken,
    owner: { userId: string; email: string },
  ): Promise<IssuedOneTimeToken | undefined> {
    const now = this.deps.clock.now();
    if (await findOneTimeToken(transaction, { tokenHash: hashOpaqueToken(token), purpose, now }))
      return { token, expiresAt };
    if (expiresAt > now || (await hasOneTimeToken(transaction, owner.userId, { purpose, now })))
      return undefined;
    return this.issue(transaction, purpose, owner);
  }

  /**
   * Consumes a token, and locks its user. When the transaction rolls back, the token stays unused.
   * @throws INVALID_TOKEN when it is unknown, used, expired or for another purpose, or its user is disabled or deleted
   */
  async consume(
    transaction: Database,
    purpose: TokenPurpose,
    token: string,
  ): Promise<{ user: User; email: string }> {
    const key = { tokenHash: hashOpaqueToken(token), purpose, now: this.deps.clock.now() };
    const found = await findOneTimeToken(transaction, key);
    const user = found && (await lockUser(transaction, found.userId));
    // The previous holder of the lock may have consumed it, or withdrawn it by a new password.
    if (user?.disabledAt !== null || !(await consumeOneTimeToken(transaction, key)))
      throw invalidOneTimeToken();
    return { user, email: found!.email };
  }

  /**
   * Consumes a token that verifies an address, as `consume` does.
   * @returns undefined when that has just been done, and the user still has the address: there is nothing left to do
   */
  async consumeOrRepeat(
    transaction: Database,
    purpose: "EMAIL_VERIFICATION" | "EMAIL_CHANGE",
    token: string,
  ): Promise<{ user: User; email: string } | undefined> {
    try {
      return await this.consume(transaction, purpose, token);
    } catch (error) {
      if (!hasCode(error, "INVALID_TOKEN")) throw error;
      const since = this.deps.clock.now() - REPEAT_WINDOW;
      const used = await findUsedOneTimeToken(transaction, {
        tokenHash: hashOpaqueToken(token),
        purpose,
        since,
      });
      const user = used && (await findUserById(transaction, used.userId));
      const isVerified = user !== undefined && user.email === used?.email && user.emailVerifiedAt !== null;
      if (!isVerified || user.disabledAt !== null) throw error;
      return undefined;
    }
  }

  /** Returns the owner of an unused token, without consuming it. @throws INVALID_TOKEN */
  async ownerOf(db: Database, purpose: TokenPurpose, token: string): Promise<User> {
    const key = { tokenHash: hashOpaqueToken(token), purpose, now: this.deps.clock.now() };
    const found = await findOneTimeToken(db, key);
    const user = found && (await findUserById(db, found.userId));
    if (user === undefined) throw invalidOneTimeToken();
    return user;
  }
}

export function invalidOneTimeToken(): LatchkeyError<"INVALID_TOKEN"> {
  return new LatchkeyError("INVALID_TOKEN", "The token is unknown, used or expired. Ask for a new email.");
}

/** Awaits a change that verifies an address. @throws INVALID_TOKEN when another account has verified the address since */
export async function unlessTaken(verifying: Promise<void>): Promise<void> {
  try {
    await verifying;
  } catch (error) {
    throw isUniqueViolation(error) ? invalidOneTimeToken() : error;
  }
}
