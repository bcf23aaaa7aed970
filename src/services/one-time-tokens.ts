import type { Clock } from "../clock.js";
import { hashOpaqueToken, newOpaqueToken } from "../crypto/opaque-tokens.js";
import { LatchkeyError } from "../errors.js";
import { type Database, isUniqueViolation } from "../storage/database.js";
import { replaceOneTimeToken, spendOneTimeToken, type TokenPurpose } from "../storage/one-time-tokens.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** How long a token works, in milliseconds. A reset's is ASVS 6.5.5's. */
const LIFETIMES: Record<TokenPurpose, number> = {
  EMAIL_VERIFICATION: 24 * HOUR,
  PASSWORD_RESET: 10 * MINUTE,
  INVITATION: 7 * 24 * HOUR,
  EMAIL_CHANGE: 24 * HOUR,
};

/** Tokens that are sent by mail and work once, for one purpose. */
export class OneTimeTokens {
  readonly #clock: Clock;

  constructor({ clock }: { clock: Clock }) {
    this.#clock = clock;
  }

  /** A new token; those the user had for the purpose work no more. */
  async issue(
    db: Database,
    purpose: TokenPurpose,
    { userId, email }: { userId: string; email: string },
  ): Promise<string> {
    const token = newOpaqueToken();
    await replaceOneTimeToken(db, {
      tokenHash: hashOpaqueToken(token),
      userId,
      purpose,
      email,
      expiresAt: this.#clock.now() + LIFETIMES[purpose],
    });
    return token;
  }

  /** @throws INVALID_TOKEN when it is unknown, used, expired, or for another purpose */
  async spend(
    transaction: Database,
    purpose: TokenPurpose,
    token: string,
  ): Promise<{ userId: string; email: string }> {
    const now = this.#clock.now();
    const spent = await spendOneTimeToken(transaction, { tokenHash: hashOpaqueToken(token), purpose, now });
    if (spent === undefined) throw invalidOneTimeToken();
    return spent;
  }
}

export function invalidOneTimeToken(): LatchkeyError<"INVALID_TOKEN"> {
  return new LatchkeyError("INVALID_TOKEN", "The token is unknown, used or expired. Ask for a new mail.");
}

/** Awaits what verifies an address. @throws INVALID_TOKEN when another account has verified it since the mail was sent */
export async function unlessTaken(verifying: Promise<void>): Promise<void> {
  try {
    await verifying;
  } catch (error) {
    throw isUniqueViolation(error) ? invalidOneTimeToken() : error;
  }
}
