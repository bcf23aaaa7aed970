import { CLOCK_TOLERANCE, type Clock } from "../../clock.js";
import { Encryption } from "../../crypto/encryption.js";
import { hashRefreshToken, newSuccessor } from "../../crypto/refresh-tokens.js";
import { LatchkeyError } from "../../errors.js";
import { type Database, inTransaction } from "../../storage/database.js";
import {
  consumeRefreshToken,
  deleteConsumedTokensOfSession,
  findRefreshToken,
  findSessionIdOfFamily,
  insertRefreshToken,
} from "../../storage/refresh-tokens.js";
import { extendSession, findSessionWithUser, type Session } from "../../storage/sessions.js";
import type { User } from "../../storage/users.js";
import type { Caller } from "../audit.js";
import type { RateLimits } from "../limits/rate-limits.js";
import type { IssuedToken, SessionLifetime, Sessions } from "./sessions.js";
import { isLive } from "./viewer.js";

type Outcome =
  | { kind: "refused" }
  | { kind: "refreshed"; session: Session; user: User; refreshToken: string };

/** How many refreshes late a token may be within the grace period: each is a query. */
const MAX_LATE = 10;

const REFUSED: Outcome = { kind: "refused" };

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
 * recognized by its family as long as the session lasts, so its row is needed only for the grace period. (If only the
 * latest tokens were kept, a thief could refresh until the owner's was forgotten.)
 */
export class Refresh {
  constructor(private readonly deps: RefreshDeps) {}

  /** @throws INVALID_TOKEN when the token is unknown or consumed, or its session has ended; RATE_LIMITED */
  async refresh(refreshToken: string, caller: Caller): Promise<IssuedToken> {
    return this.deps.rateLimits.guessToken(caller, () => this.#refresh(refreshToken, caller));
  }

  async #refresh(refreshToken: string, caller: Caller): Promise<IssuedToken> {
    // Looked up outside the transaction: an unknown token must not wait for a lock, or make others wait.
    const sessionId = await this.#sessionIdOf(refreshToken);
    const outcome = sessionId
      ? await inTransaction(this.deps.db, (transaction) =>
          this.#rotate(transaction, { refreshToken, sessionId, caller }),
        )
      : REFUSED;
    if (outcome.kind === "refused") {
      throw new LatchkeyError(
        "INVALID_TOKEN",
        "The refresh token is unknown, used or expired. Log in again.",
      );
    }
    return this.deps.sessions.issueToken(outcome.session, outcome.user, outcome.refreshToken);
  }

  async #rotate(
    transaction: Database,
    { refreshToken, sessionId, caller }: { refreshToken: string; sessionId: string; caller: Caller },
  ): Promise<Outcome> {
    const now = this.deps.clock.now();
    const found = await findSessionWithUser(transaction, sessionId);
    if (!found || found.user.disabledAt !== null || !isLive(found.session, now)) return REFUSED;
    const { session, user } = found;

    const { tokenHash } = hashRefreshToken(refreshToken);
    const successor = newSuccessor(refreshToken);
    const sealedSuccessor =
      this.deps.grace > 0
        ? successorEncryption(refreshToken).encrypt(Buffer.from(successor), tokenHash)
        : null;
    if (await consumeRefreshToken(transaction, { tokenHash, now, sealedSuccessor })) {
      const expiresAt = Math.min(now + this.deps.lifetime.idle, session.absoluteExpiresAt);
      await insertRefreshToken(transaction, { ...hashRefreshToken(successor), sessionId, now });
      await extendSession(transaction, sessionId, { now, expiresAt });
      await deleteConsumedTokensOfSession(transaction, sessionId, pastGrace(now, this.deps.grace));
      return { kind: "refreshed", session, user, refreshToken: successor };
    }

    const latest = await this.#successorWithinGrace(transaction, refreshToken, now);
    if (latest !== undefined) return { kind: "refreshed", session, user, refreshToken: latest };
    await this.deps.sessions.endReused(transaction, session, caller);
    return REFUSED;
  }

  /** Follows consumed tokens to the current one: a third tab may be two refreshes late. */
  async #successorWithinGrace(
    transaction: Database,
    consumed: string,
    now: number,
  ): Promise<string | undefined> {
    let latest: string | undefined = consumed;
    for (let followed = 0; latest !== undefined && followed <= MAX_LATE; followed++) {
      const { tokenHash } = hashRefreshToken(latest);
      const token = await findRefreshToken(transaction, tokenHash);
      if (token?.usedAt === null) return latest;
      // In both directions: another process's clock may be ahead, and setting one back must not extend the grace period.
      const withinGrace = token !== undefined && Math.abs(now - token.usedAt) <= this.deps.grace;
      latest =
        withinGrace && token.sealedSuccessor !== null
          ? successorEncryption(latest).decrypt(token.sealedSuccessor, tokenHash)?.toString()
          : undefined;
    }
    return undefined;
  }

  /** The user and session of a refresh token, consumed or not. */
  async sessionOf(refreshToken: string): Promise<{ userId: string; sessionId: string } | undefined> {
    const sessionId = await this.#sessionIdOf(refreshToken);
    const found = sessionId && (await findSessionWithUser(this.deps.db, sessionId));
    return found ? { userId: found.user.id, sessionId: found.session.id } : undefined;
  }

  async #sessionIdOf(refreshToken: string): Promise<string | undefined> {
    return findSessionIdOfFamily(this.deps.db, hashRefreshToken(refreshToken).familyHash);
  }
}

/** Tokens consumed before this time are past the grace period by any process's clock: nothing needs their rows. */
export function pastGrace(now: number, grace: number): number {
  return now - grace - CLOCK_TOLERANCE;
}

/** Encrypts a token's successor under the token itself. */
function successorEncryption(refreshToken: string): Encryption {
  return new Encryption(refreshToken, "refresh token successor");
}
