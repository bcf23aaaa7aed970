import { type Clock, MINUTE } from "../../clock.js";
import { hashOpaqueToken, newOpaqueToken } from "../../crypto/opaque-tokens.js";
import { LatchkeyError } from "../../errors.js";
import {
  type ChallengePurpose,
  consumeChallenge,
  deleteChallengesOf,
  findChallenge,
  insertChallenge,
} from "../../storage/challenges.js";
import type { Database } from "../../storage/database.js";

const LIFETIME = 5 * MINUTE;

/** A challenge as its client gets it. */
export interface IssuedChallenge {
  challenge: string;
  /** Epoch milliseconds. */
  expiresAt: number;
}

export interface ChallengesDeps {
  clock: Clock;
}

/** Challenges: 256 random bits that a client answers within five minutes, for one purpose. Success consumes them. */
export class Challenges {
  constructor(private readonly deps: ChallengesDeps) {}

  /** @param userId null for a sign-in with a passkey alone */
  async issue(db: Database, purpose: ChallengePurpose, userId: string | null): Promise<IssuedChallenge> {
    const challenge = newOpaqueToken();
    const expiresAt = this.deps.clock.now() + LIFETIME;
    await insertChallenge(db, { challengeHash: hashOpaqueToken(challenge), purpose, userId, expiresAt });
    return { challenge, expiresAt };
  }

  /** Issues the one challenge that a user has for a purpose, in a transaction that has locked the user. */
  async replace(transaction: Database, purpose: ChallengePurpose, userId: string): Promise<IssuedChallenge> {
    await deleteChallengesOf(transaction, { userId, purpose });
    return this.issue(transaction, purpose, userId);
  }

  /** @throws INVALID_TOKEN when it is unknown, consumed, expired or for another purpose */
  async find(
    db: Database,
    purpose: ChallengePurpose,
    challenge: string,
  ): Promise<{ userId: string | null; expiresAt: number }> {
    const found = await findChallenge(db, this.#keyOf(purpose, challenge));
    if (found === undefined) throw invalidChallenge();
    return found;
  }

  /**
   * Consumes a challenge, as part of the transaction that acts on its answer.
   * @throws INVALID_TOKEN when it is unknown, consumed, expired or for another purpose
   */
  async consume(transaction: Database, purpose: ChallengePurpose, challenge: string): Promise<void> {
    if (!(await consumeChallenge(transaction, this.#keyOf(purpose, challenge)))) throw invalidChallenge();
  }

  #keyOf(purpose: ChallengePurpose, challenge: string) {
    return { challengeHash: hashOpaqueToken(challenge), purpose, now: this.deps.clock.now() };
  }
}

export function invalidChallenge(): LatchkeyError<"INVALID_TOKEN"> {
  return new LatchkeyError("INVALID_TOKEN", "The challenge is unknown, used or expired. Start again.");
}
