import { CLOCK_TOLERANCE, type Clock, MINUTE } from "../../clock.js";
import { Encryption } from "../../crypto/encryption.js";
import { hashRefreshToken, newSuccessor } from "../../crypto/refresh-tokens.js";
import { LatchkeyError } from "../../errors.js";
import { type Database, inTransaction } from "../../storage/database.js";
import {
  type ConsumedToken,
  findSessionOfFamily,
  type RefreshTokens,
  rotateRefreshToken,
} from "../../storage/refresh-tokens.js";
import type { Session } from "../../storage/sessions.js";
import type { Caller } from "../audit.js";
import type { RateLimits } from "../limits/rate-limits.js";
import type { IssuedToken, SessionLifetime, Sessions } from "./sessions.js";
import { isLive } from "./viewer.js";

export interface RefreshDeps {
  db: Database;
  sessions: Sessions;
  rateLimits: RateLimits;
  clock: Clock;
  lifetime: SessionLifetime;
  /** How long a consumed token returns its successor again, in milliseconds. */
  grace: number;
}

/**
 * Rotates refresh tokens (RFC 9700, 4.14.2): each works once, and its reuse ends the session. A consumed token is
 * recognized by its family as long as the session lasts, so it is stored only for the grace period. (If only the latest
 * tokens were kept, a thief could refresh until the owner's was forgotten.)
 */
export class Refresh {
  constructor(private readonly deps: RefreshDeps) {}

  /** @throws INVALID_TOKEN when the token is unknown or consumed, or its session has ended; RATE_LIMITED */
  async refresh(refreshToken: string, caller: Caller): Promise<IssuedToken> {
    return this.deps.rateLimits.guessToken(caller, () => this.#refresh(refreshToken, caller));
  }

  async #refresh(refreshToken: string, caller: Caller): Promise<IssuedToken> {
    const { tokenHash, familyHash } = hashRefreshToken(refreshToken);
    for (;;) {
      const found = await findSessionOfFamily(this.deps.db, familyHash);
      const now = this.deps.clock.now();
      if (!found || found.user.disabledAt !== null || !isLive(found.session, now)) throw refused();
      const { session, user, tokens } = found;
      const isCurrent = tokens.currentHash === tokenHash;
      const rotates = isCurrent && !this.#hasJustRotated(tokens, now);
      const expiresAt = rotates
        ? Math.min(now + this.deps.lifetime.idle, session.absoluteExpiresAt)
        : session.expiresAt;
      const successor = rotates
        ? await this.#rotate(refreshToken, { session, tokens, now, expiresAt })
        : this.#latestWithinGrace(refreshToken, tokens, now);
      if (successor !== undefined)
        return this.deps.sessions.issueToken({ ...session, expiresAt }, user, successor);
      // Another request has consumed it meanwhile, or ended the session.
      if (rotates) continue;
      await inTransaction(this.deps.db, (transaction) =>
        this.deps.sessions.endReused(transaction, session, caller),
      );
      throw refused();
    }
  }

  /** Consumes the current token. @returns the next one; undefined when it is not the current one any more */
  async #rotate(
    refreshToken: string,
    {
      session,
      tokens,
      now,
      expiresAt,
    }: { session: Session; tokens: RefreshTokens; now: number; expiresAt: number },
  ): Promise<string | undefined> {
    const { grace } = this.deps;
    const successor = newSuccessor(refreshToken);
    const { tokenHash: from } = hashRefreshToken(refreshToken);
    const { tokenHash: to } = hashRefreshToken(successor);
    const stillNeeded = tokens.consumed.filter(({ usedAt }) => usedAt >= pastGrace(now, grace));
    const consumed = grace > 0 ? [...stillNeeded, consumedToken(refreshToken, successor, now)] : [];
    const rotated = await rotateRefreshToken(this.deps.db, {
      sessionId: session.id,
      from,
      to,
      consumed,
      now,
      expiresAt,
    });
    return rotated ? successor : undefined;
  }

  /**
   * Whether the current token was issued a moment ago. It is then returned again: of two answers to a browser the later
   * one sets the cookie, which may bring the earlier token.
   */
  #hasJustRotated({ consumed }: RefreshTokens, now: number): boolean {
    return consumed.some(({ usedAt }) => this.#isWithinGrace(usedAt, now));
  }

  /** In both directions: another process's clock may be ahead, and setting one back must not extend the grace period. */
  #isWithinGrace(usedAt: number, now: number): boolean {
    return Math.abs(now - usedAt) <= this.deps.grace;
  }

  /** Follows consumed tokens to the current one; by the clocks of several processes there may be more than one. */
  #latestWithinGrace(
    refreshToken: string,
    { currentHash, consumed }: RefreshTokens,
    now: number,
  ): string | undefined {
    let latest = refreshToken;
    for (const { tokenHash, usedAt, encryptedSuccessor } of consumed) {
      if (tokenHash !== hashRefreshToken(latest).tokenHash) continue;
      if (!this.#isWithinGrace(usedAt, now)) return undefined;
      const successor = successorEncryption(latest).decrypt(encryptedSuccessor, tokenHash);
      if (successor === undefined) return undefined;
      latest = successor.toString();
    }
    return hashRefreshToken(latest).tokenHash === currentHash ? latest : undefined;
  }

  /**
   * Whether the session of a refresh token ended a moment ago. Another tab may then have signed in since: what the answer
   * does to the cookie of this one would be done to that one's.
   */
  async hasJustEnded(refreshToken: string): Promise<boolean> {
    const found = await findSessionOfFamily(this.deps.db, hashRefreshToken(refreshToken).familyHash);
    const endedAt = found?.session.endedAt ?? null;
    return endedAt !== null && Math.abs(this.deps.clock.now() - endedAt) < MINUTE;
  }

  /** Ends the session of a refresh token, consumed or not. An unknown token changes nothing. */
  async end(refreshToken: string, caller: Caller): Promise<void> {
    const session = await this.sessionOf(refreshToken);
    if (session !== undefined) await this.deps.sessions.logout({ ...session, caller });
  }

  /** Ends the session of a refresh token that a client replaces, unless both are of one session (ASVS 7.2.4). */
  async endReplaced(replaced: string, refreshToken: string, caller: Caller): Promise<void> {
    if (hashRefreshToken(replaced).familyHash === hashRefreshToken(refreshToken).familyHash) return;
    await this.end(replaced, caller);
  }

  /** The user and session of a refresh token, consumed or not. */
  async sessionOf(refreshToken: string): Promise<{ userId: string; sessionId: string } | undefined> {
    const found = await findSessionOfFamily(this.deps.db, hashRefreshToken(refreshToken).familyHash);
    return found && { userId: found.user.id, sessionId: found.session.id };
  }
}

function refused(): LatchkeyError {
  return new LatchkeyError("INVALID_TOKEN", "The refresh token is unknown, used or expired. Log in again.");
}

/** Tokens consumed before this time are past the grace period by any process's clock: nothing needs their rows. */
export function pastGrace(now: number, grace: number): number {
  return now - grace - CLOCK_TOLERANCE;
}

function consumedToken(refreshToken: string, successor: string, usedAt: number): ConsumedToken {
  const { tokenHash } = hashRefreshToken(refreshToken);
  const encryptedSuccessor = successorEncryption(refreshToken).encrypt(Buffer.from(successor), tokenHash);
  return { tokenHash, usedAt, encryptedSuccessor };
}

/** Encrypts a token's successor under the token itself. */
function successorEncryption(refreshToken: string): Encryption {
  return new Encryption(refreshToken, "refresh token successor");
}
