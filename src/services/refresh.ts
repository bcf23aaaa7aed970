import type { Clock } from "../clock.js";
import { hashOpaqueToken, newOpaqueToken } from "../crypto/opaque-tokens.js";
import { Sealer } from "../crypto/sealing.js";
import { LatchkeyError } from "../errors.js";
import { type Database, inTransaction } from "../storage/database.js";
import { findRefreshToken, insertRefreshToken, spendRefreshToken } from "../storage/refresh-tokens.js";
import { endSessions, extendSession, findSessionWithUser, type Session } from "../storage/sessions.js";
import type { User } from "../storage/users.js";
import type { Audit, Client } from "./audit.js";
import type { IssuedToken, SessionLifetime, Sessions } from "./sessions.js";
import type { Throttle } from "./throttle.js";
import { isLive } from "./viewer.js";

type Outcome =
  | { kind: "refused" }
  | { kind: "refreshed"; session: Session; user: User; refreshToken: string };

const REFUSED: Outcome = { kind: "refused" };

/** Rotates refresh tokens (RFC 9700, 4.14.2): each is used once, and its reuse ends the session. */
export class Refresh {
  readonly #db: Database;
  readonly #sessions: Sessions;
  readonly #audit: Audit;
  readonly #throttle: Throttle;
  readonly #clock: Clock;
  readonly #idle: number;
  readonly #grace: number;

  /** @param deps.grace for how long a spent token gives the same successor again, in milliseconds */
  constructor(deps: {
    db: Database;
    sessions: Sessions;
    audit: Audit;
    throttle: Throttle;
    clock: Clock;
    lifetime: SessionLifetime;
    grace: number;
  }) {
    this.#db = deps.db;
    this.#sessions = deps.sessions;
    this.#audit = deps.audit;
    this.#throttle = deps.throttle;
    this.#clock = deps.clock;
    this.#idle = deps.lifetime.idle;
    this.#grace = deps.grace;
  }

  /** @throws INVALID_TOKEN when the token is unknown, spent, or its session is over; RATE_LIMITED */
  async refresh(refreshToken: string, client: Client): Promise<IssuedToken> {
    return this.#throttle.guessToken(client, () => this.#refresh(refreshToken, client));
  }

  async #refresh(refreshToken: string, client: Client): Promise<IssuedToken> {
    // Asked before a transaction is begun: nonsense must not wait for a lock, or make others wait.
    const known = await findRefreshToken(this.#db, hashOpaqueToken(refreshToken));
    const outcome = known
      ? await inTransaction(this.#db, (transaction) => this.#rotate(transaction, refreshToken, client))
      : REFUSED;
    if (outcome.kind === "refused") {
      throw new LatchkeyError(
        "INVALID_TOKEN",
        "The refresh token is unknown, used or expired. Log in again.",
      );
    }
    return this.#sessions.issueToken(outcome.session, outcome.user, outcome.refreshToken);
  }

  async #rotate(transaction: Database, refreshToken: string, client: Client): Promise<Outcome> {
    const now = this.#clock.now();
    const tokenHash = hashOpaqueToken(refreshToken);
    const token = await findRefreshToken(transaction, tokenHash);
    const found = token && (await findSessionWithUser(transaction, token.sessionId));
    if (!found || found.user.disabledAt !== null || !isLive(found.session, now)) return REFUSED;
    const { session, user } = found;
    const event = { actorId: user.id, subjectId: user.id, sessionId: session.id, client };

    const successor = newOpaqueToken();
    const sealedSuccessor =
      this.#grace > 0 ? successorSealer(refreshToken).seal(Buffer.from(successor), tokenHash) : null;
    if (await spendRefreshToken(transaction, tokenHash, { now, sealedSuccessor })) {
      const expiresAt = Math.min(now + this.#idle, session.absoluteExpiresAt);
      await insertRefreshToken(transaction, {
        tokenHash: hashOpaqueToken(successor),
        sessionId: session.id,
        now,
      });
      await extendSession(transaction, session.id, { now, expiresAt });
      await this.#audit.record(transaction, "TOKEN_REFRESHED", event);
      return { kind: "refreshed", session, user, refreshToken: successor };
    }

    const latest = await this.#successorWithinGrace(transaction, refreshToken, now);
    if (latest !== undefined) {
      await this.#audit.record(transaction, "TOKEN_REFRESHED", { ...event, details: { repeated: true } });
      return { kind: "refreshed", session, user, refreshToken: latest };
    }
    await endSessions(transaction, user.id, now, { only: session.id });
    await this.#audit.record(transaction, "REFRESH_TOKEN_REUSED", event);
    return REFUSED;
  }

  /** Follows spent tokens to the one that is not: a third tab may be two refreshes late. */
  async #successorWithinGrace(
    transaction: Database,
    spent: string,
    now: number,
  ): Promise<string | undefined> {
    const tokenHash = hashOpaqueToken(spent);
    const token = await findRefreshToken(transaction, tokenHash);
    if (token === undefined || token.usedAt === null) return token && spent;
    // Either way: a clock that was set back must not make the grace longer.
    if (Math.abs(now - token.usedAt) > this.#grace || token.sealedSuccessor === null) return undefined;
    const successor = successorSealer(spent).open(token.sealedSuccessor, tokenHash)?.toString();
    return successor && this.#successorWithinGrace(transaction, successor, now);
  }

  /** Whose refresh token this is and of which session, spent or not. */
  async sessionOf(refreshToken: string): Promise<{ userId: string; sessionId: string } | undefined> {
    const token = await findRefreshToken(this.#db, hashOpaqueToken(refreshToken));
    const found = token && (await findSessionWithUser(this.#db, token.sessionId));
    return found && { userId: found.user.id, sessionId: found.session.id };
  }
}

/** Seals a token's successor so that only the token opens it. */
function successorSealer(refreshToken: string): Sealer {
  return new Sealer(refreshToken, "refresh token successor");
}
