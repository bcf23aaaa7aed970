import type { Clock, NewId } from "../clock.js";
import type { AccessTokenClaims, AccessTokens } from "../crypto/access-tokens.js";
import { newOpaqueToken } from "../crypto/opaque-tokens.js";
import { hashRefreshToken } from "../crypto/refresh-tokens.js";
import { LatchkeyError, type UnauthenticatedReason } from "../errors.js";
import type { AuditEventType } from "../storage/audit.js";
import { type Database, inTransaction } from "../storage/database.js";
import { insertRefreshToken } from "../storage/refresh-tokens.js";
import {
  endSessions,
  findSessionWithUser,
  insertSession,
  listLiveSessions,
  type Session,
} from "../storage/sessions.js";
import type { User } from "../storage/users.js";
import type { Audit, Client } from "./audit.js";

/** Who sends a request: a user with a live session, or nobody and why. */
export type Viewer =
  | { kind: "user"; user: User; sessionId: string }
  | { kind: "anonymous"; reason: UnauthenticatedReason };

/** What a client gets for signing in, and for refreshing. */
export interface IssuedToken {
  accessToken: string;
  /** Epoch milliseconds. */
  expiresAt: number;
  /** Seconds. */
  expiresIn: number;
  refreshToken: string;
  user: User;
}

/** A session of a user, and where the request about it comes from. */
export interface SessionInHand {
  userId: string;
  sessionId: string;
  client: Client;
}

/** How long a session lasts, in milliseconds: without being refreshed, and at all. */
export interface SessionLifetime {
  idle: number;
  absolute: number;
}

/** Starts, shows and ends sessions, and tells whose a token is. */
export class Sessions {
  readonly #db: Database;
  readonly #accessTokens: AccessTokens;
  readonly #audit: Audit;
  readonly #clock: Clock;
  readonly #newId: NewId;
  readonly #lifetime: SessionLifetime;

  constructor(deps: {
    db: Database;
    accessTokens: AccessTokens;
    audit: Audit;
    clock: Clock;
    newId: NewId;
    lifetime: SessionLifetime;
  }) {
    this.#db = deps.db;
    this.#accessTokens = deps.accessTokens;
    this.#audit = deps.audit;
    this.#clock = deps.clock;
    this.#newId = deps.newId;
    this.#lifetime = deps.lifetime;
  }

  /** Writes a new session and its first refresh token, with the transaction they are a part of. */
  async start(
    transaction: Database,
    user: User,
    client: Client,
  ): Promise<{ session: Session; refreshToken: string }> {
    const now = this.#clock.now();
    const session: Session = {
      id: this.#newId(),
      userId: user.id,
      createdAt: now,
      lastUsedAt: now,
      expiresAt: now + Math.min(this.#lifetime.idle, this.#lifetime.absolute),
      absoluteExpiresAt: now + this.#lifetime.absolute,
      endedAt: null,
      ...client,
    };
    const refreshToken = newOpaqueToken();
    await insertSession(transaction, session);
    await insertRefreshToken(transaction, {
      ...hashRefreshToken(refreshToken),
      sessionId: session.id,
      now,
    });
    return { session, refreshToken };
  }

  async issueToken(session: Session, user: User, refreshToken: string): Promise<IssuedToken> {
    const claims = { sub: user.id, sid: session.id, jti: this.#newId(), roles: user.roles };
    const { token, ...expiry } = await this.#accessTokens.issue(claims, session.absoluteExpiresAt);
    return { accessToken: token, ...expiry, refreshToken, user };
  }

  /**
   * Whose token this is, now: the database is asked every time, so that ending a session or disabling
   * a user is felt on the very next request.
   */
  async authenticate(accessToken: string): Promise<Viewer> {
    const result = await this.#accessTokens.verify(accessToken);
    if (!result.valid) return { kind: "anonymous", reason: result.reason };
    return this.#viewerOf(result.claims);
  }

  /** What an access token says (RFC 7662), with the roles the user has now; undefined when it would not be let in. */
  async introspect(accessToken: string): Promise<(AccessTokenClaims & { username: string }) | undefined> {
    const result = await this.#accessTokens.verify(accessToken);
    const viewer = result.valid ? await this.#viewerOf(result.claims) : undefined;
    if (!result.valid || viewer?.kind !== "user") return undefined;
    return { ...result.claims, roles: viewer.user.roles, username: viewer.user.username };
  }

  async #viewerOf({ sub, sid }: AccessTokenClaims): Promise<Viewer> {
    const found = await findSessionWithUser(this.#db, sid);
    if (found === undefined || found.user.id !== sub) return { kind: "anonymous", reason: "INVALID_TOKEN" };
    if (found.user.disabledAt !== null) return { kind: "anonymous", reason: "ACCOUNT_DISABLED" };
    if (!isLive(found.session, this.#clock.now())) return { kind: "anonymous", reason: "SESSION_REVOKED" };
    return { kind: "user", user: found.user, sessionId: sid };
  }

  /** The user's live sessions, newest first. */
  async list(userId: string): Promise<Session[]> {
    return listLiveSessions(this.#db, userId, this.#clock.now());
  }

  /** Ends the session the user is in. */
  async logout({ userId, sessionId, client }: SessionInHand): Promise<void> {
    await this.#end("LOGGED_OUT", { userId, client, which: { only: sessionId } });
  }

  /** @throws NOT_FOUND when the user has no such live session */
  async revoke({ userId, sessionId, client }: SessionInHand): Promise<void> {
    const ended = await this.#end("SESSION_REVOKED", { userId, client, which: { only: sessionId } });
    if (ended === 0) throw new LatchkeyError("NOT_FOUND", "You have no session with this id.");
  }

  /** Ends all the user's sessions but this one. @returns how many */
  async revokeOthers({ userId, sessionId, client }: SessionInHand): Promise<number> {
    return this.#end("SESSION_REVOKED", { userId, client, which: { except: sessionId } });
  }

  async #end(
    type: AuditEventType,
    { userId, client, which }: { userId: string; client: Client; which: { only?: string; except?: string } },
  ): Promise<number> {
    return inTransaction(this.#db, async (transaction) => {
      const ended = await endSessions(transaction, userId, this.#clock.now(), which);
      for (const sessionId of ended) {
        await this.#audit.record(transaction, type, {
          actorId: userId,
          subjectId: userId,
          sessionId,
          client,
        });
      }
      return ended.length;
    });
  }
}

/** Whether the session has neither ended nor expired. */
export function isLive(session: Session, now: number): boolean {
  return session.endedAt === null && session.expiresAt > now;
}
