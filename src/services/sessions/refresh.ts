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
import { endSessions, extendSession, findSessionWithUser, type Session } from "../../storage/sessions.js";
import type { User } from "../../storage/users.js";
import type { Audit, Caller } from "../audit.js";
import type { RateLimits } from "../limits/rate-limits.js";
import type { IssuedToken, SessionLifetime, Sessions } from "./sessions.js";
import { isLive } from "./viewer.js";

type Outcome =
  | { kind: "refused" }
  | { kind: "refreshed"; session: Session; user: User; refreshToken: string };

/** How many refreshes late a token may be within the grace: each is a query. */
const MAX_LATE = 10;

const REFUSED: Outcome = { kind: "refused" };

/**
 * Rotates refresh tokens (RFC 9700, 4.14.2): each is used once, and its reuse ends the session. Any older token of the
 * session is recognized by its family for as long as the session lasts, so that rows of consumed ones are needed for the
 * grace only; were the newest so many kept instead, a thief could refresh often enough to have the owner's forgotten.
 */
export class Refresh {
  readonly #db: Database;
  readonly #sessions: Sessions;
  readonly #audit: Audit;
  readonly #rateLimits: RateLimits;
  readonly #clock: Clock;
  readonly #idle: number;
  readonly #grace: number;

  /** @param deps.grace for how long a consumed token gives the same successor again, in milliseconds */
  constructor(deps: {
    db: Database;
    sessions: Sessions;
    audit: Audit;
    rateLimits: RateLimits;
    clock: Clock;
    lifetime: SessionLifetime;
    grace: number;
  }) {
    this.#db = deps.db;
    this.#sessions = deps.sessions;
    this.#audit = deps.audit;
    this.#rateLimits = deps.rateLimits;
    this.#clock = deps.clock;
    this.#idle = deps.lifetime.idle;
    this.#grace = deps.grace;
  }

  /** @throws INVALID_TOKEN when the token is unknown, consumed, or its session is over; RATE_LIMITED */
  async refresh(refreshToken: string, caller: Caller): Promise<IssuedToken> {
    return this.#rateLimits.guessToken(caller, () => this.#refresh(refreshToken, caller));
  }

  async #refresh(refreshToken: string, caller: Caller): Promise<IssuedToken> {
    // Asked before a transaction is begun: nonsense must not wait for a lock, or make others wait.
    const sessionId = await this.#sessionIdOf(refreshToken);
    const outcome = sessionId
      ? await inTransaction(this.#db, (transaction) =>
          this.#rotate(transaction, { refreshToken, sessionId, caller }),
        )
      : REFUSED;
    if (outcome.kind === "refused") {
      throw new LatchkeyError(
        "INVALID_TOKEN",
        "The refresh token is unknown, used or expired. Log in again.",
      );
    }
    return this.#sessions.issueToken(outcome.session, outcome.user, outcome.refreshToken);
  }

  async #rotate(
    transaction: Database,
    { refreshToken, sessionId, caller }: { refreshToken: string; sessionId: string; caller: Caller },
  ): Promise<Outcome> {
    const now = this.#clock.now();
    const found = await findSessionWithUser(transaction, sessionId);
    if (!found || found.user.disabledAt !== null || !isLive(found.session, now)) return REFUSED;
    const { session, user } = found;

    const { tokenHash } = hashRefreshToken(refreshToken);
    const successor = newSuccessor(refreshToken);
    const sealedSuccessor =
      this.#grace > 0 ? successorEncryption(refreshToken).encrypt(Buffer.from(successor), tokenHash) : null;
    if (await consumeRefreshToken(transaction, tokenHash, { now, sealedSuccessor })) {
      const expiresAt = Math.min(now + this.#idle, session.absoluteExpiresAt);
      await insertRefreshToken(transaction, { ...hashRefreshToken(successor), sessionId, now });
      await extendSession(transaction, sessionId, { now, expiresAt });
      await deleteConsumedTokensOfSession(transaction, sessionId, pastGrace(now, this.#grace));
      return { kind: "refreshed", session, user, refreshToken: successor };
    }

    const latest = await this.#successorWithinGrace(transaction, refreshToken, now);
    if (latest !== undefined) return { kind: "refreshed", session, user, refreshToken: latest };
    await endSessions(transaction, user.id, now, { only: sessionId });
    const event = { actorId: user.id, subjectId: user.id, sessionId, caller };
    await this.#audit.record(transaction, "REFRESH_TOKEN_REUSED", event);
    return REFUSED;
  }

  /** Follows consumed tokens to the one that is not: a third tab may be two refreshes late. */
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
      // Either way: another process's clock may be ahead, and one that was set back must not make the grace endless.
      const withinGrace = token !== undefined && Math.abs(now - token.usedAt) <= this.#grace;
      latest =
        withinGrace && token.sealedSuccessor !== null
          ? successorEncryption(latest).decrypt(token.sealedSuccessor, tokenHash)?.toString()
          : undefined;
    }
    return undefined;
  }

  /** Whose refresh token this is and of which session, consumed or not. */
  async sessionOf(refreshToken: string): Promise<{ userId: string; sessionId: string } | undefined> {
    const sessionId = await this.#sessionIdOf(refreshToken);
    const found = sessionId && (await findSessionWithUser(this.#db, sessionId));
    return found ? { userId: found.user.id, sessionId: found.session.id } : undefined;
  }

  async #sessionIdOf(refreshToken: string): Promise<string | undefined> {
    return findSessionIdOfFamily(this.#db, hashRefreshToken(refreshToken).familyHash);
  }
}

/** Tokens consumed before this time give their successor to no process's clock any more: nothing needs their rows. */
export function pastGrace(now: number, grace: number): number {
  return now - grace - CLOCK_TOLERANCE;
}

/** Seals a token's successor so that only the token opens it. */
function successorEncryption(refreshToken: string): Encryption {
  return new Encryption(refreshToken, "refresh token successor");
}
