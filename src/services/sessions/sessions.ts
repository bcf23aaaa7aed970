import { type Clock, type NewId, SECOND } from "../../clock.js";
import type { AccessTokenClaims, AccessTokens } from "../../crypto/access-tokens.js";
import { newOpaqueToken } from "../../crypto/opaque-tokens.js";
import { hashRefreshToken } from "../../crypto/refresh-tokens.js";
import { LatchkeyError } from "../../errors.js";
import type { AuditEventType } from "../../storage/audit.js";
import { type Database, inTransaction } from "../../storage/database.js";
import {
  type Authentication,
  type AuthenticationMethod,
  endSessions,
  findSessionWithUser,
  insertSession,
  listLiveSessions,
  listSessionsBeyond,
  renewAuthentication,
  type Session,
} from "../../storage/sessions.js";
import { lockUser, type User } from "../../storage/users.js";
import type { Audit, Caller, ChangedBy } from "../audit.js";
import type { Access } from "./access.js";
import type { Claims, UserClaims } from "./claims.js";
import { type Actor, authorize, changedBy, type Viewer, viewerOf } from "./viewer.js";

/** The tokens that signing in and refreshing return. */
export interface IssuedToken {
  accessToken: string;
  /** Epoch milliseconds. */
  expiresAt: number;
  /** Seconds. */
  expiresIn: number;
  /** Null when the client keeps the one it has. */
  refreshToken: string | null;
  session: Session;
  user: User;
}

/** How long a session lasts without a refresh, and in total. Milliseconds. */
export interface SessionLifetime {
  idle: number;
  absolute: number;
}

/** After the limit is lowered a user may have any number of sessions over it: one sign-in ends this many. */
const MAX_ENDED_PER_START = 20;

export interface SessionsDeps {
  db: Database;
  access: Access;
  accessTokens: AccessTokens;
  audit: Audit;
  claims: Claims;
  clock: Clock;
  newId: NewId;
  lifetime: SessionLifetime;
  /** The most live sessions that a user can have. */
  maxPerUser: number;
}

/** Starts, lists and ends sessions, and authenticates access tokens. */
export class Sessions {
  constructor(private readonly deps: SessionsDeps) {}

  /**
   * Starts a session with its first refresh token. Ends the least recently used ones that are over the limit then.
   * @param transaction has locked the user
   * @param authentication when and how the user proved who they are
   */
  async start(
    transaction: Database,
    user: User,
    caller: Caller,
    { authenticatedAt, authenticationMethods }: Authentication,
  ): Promise<{ session: Session; refreshToken: string }> {
    const now = this.deps.clock.now();
    const session: Session = {
      id: this.deps.newId(),
      userId: user.id,
      createdAt: now,
      lastUsedAt: now,
      expiresAt: now + Math.min(this.deps.lifetime.idle, this.deps.lifetime.absolute),
      absoluteExpiresAt: now + this.deps.lifetime.absolute,
      endedAt: null,
      authenticatedAt,
      authenticationMethods,
      ...caller,
    };
    const refreshToken = newOpaqueToken();
    await this.#makeRoom(transaction, user.id, caller);
    await insertSession(transaction, session, hashRefreshToken(refreshToken));
    return { session, refreshToken };
  }

  /** Makes room for one more session of the user. */
  async #makeRoom(transaction: Database, userId: string, caller: Caller): Promise<void> {
    const now = this.deps.clock.now();
    const room = { keep: this.deps.maxPerUser - 1, limit: MAX_ENDED_PER_START };
    const details = { reason: "MAX_SESSIONS_PER_USER" };
    for (const sessionId of await listSessionsBeyond(transaction, userId, now, room)) {
      await this.#end(transaction, "SESSION_REVOKED", asThemselves({ userId, caller }), {
        only: sessionId,
        details,
      });
    }
  }

  /** Renews the session's authentication, as part of a transaction. @returns the session as it is now */
  async renew(
    transaction: Database,
    session: Session,
    methods: readonly AuthenticationMethod[],
  ): Promise<Session> {
    // Without a second factor, the session no longer proves one that it once used: the factor may have been removed since.
    const earlier = methods.includes("mfa") ? session.authenticationMethods : [];
    const authentication = {
      authenticatedAt: this.deps.clock.now(),
      authenticationMethods: [...new Set([...earlier, ...methods])],
    };
    await renewAuthentication(transaction, session.id, authentication);
    return { ...session, ...authentication };
  }

  /** @param refreshToken null when the client keeps the one it has */
  async issueToken(session: Session, user: User, refreshToken: string | null): Promise<IssuedToken> {
    const claims = {
      ...this.deps.claims.of(user),
      sub: user.id,
      sid: session.id,
      jti: this.deps.newId(),
      auth_time: Math.floor(session.authenticatedAt / SECOND),
      amr: session.authenticationMethods,
    };
    const { token, ...expiry } = await this.deps.accessTokens.issue(claims, session.absoluteExpiresAt);
    return { accessToken: token, ...expiry, refreshToken, session, user };
  }

  /**
   * Authenticates an access token. Reads the database every time, so that ending a session or disabling a user applies
   * to the very next request.
   */
  async authenticate(accessToken: string): Promise<Viewer> {
    const result = await this.deps.accessTokens.verify(accessToken);
    if (!result.valid) return { kind: "anonymous", reason: result.reason };
    return this.#viewerOf(result.claims);
  }

  /**
   * The claims of an access token (RFC 7662), with those of the user as they are now. Undefined when it is rejected, and
   * for a user who must add a second factor first.
   */
  async introspect(
    accessToken: string,
  ): Promise<(AccessTokenClaims & UserClaims & { username: string }) | undefined> {
    const result = await this.deps.accessTokens.verify(accessToken);
    const viewer = result.valid ? await this.#viewerOf(result.claims) : undefined;
    if (!result.valid || viewer?.kind !== "user" || !this.deps.access.hasRequiredFactor(viewer))
      return undefined;
    const { username } = viewer.user;
    return { username, ...result.claims, ...this.deps.claims.of(viewer.user) };
  }

  async #viewerOf({ sub, sid }: AccessTokenClaims): Promise<Viewer> {
    return viewerOf(await findSessionWithUser(this.deps.db, sid), sub, this.deps.clock.now());
  }

  /** The user's live sessions, newest first; the page after the session `after`, or the first. */
  async list(userId: string, page: { first: number; after: string | undefined }): Promise<Session[]> {
    return listLiveSessions(this.deps.db, userId, this.deps.clock.now(), page);
  }

  /** Ends the actor's own session, if it has not ended yet. */
  async logout(actor: Actor): Promise<void> {
    await inTransaction(this.deps.db, async (transaction) => {
      await lockUser(transaction, actor.userId);
      await this.#end(transaction, "LOGGED_OUT", asThemselves(actor), { only: actor.sessionId });
    });
  }

  /** @throws UNAUTHENTICATED; NOT_FOUND when the user has no such live session */
  async revoke(actor: Actor, sessionId: string): Promise<void> {
    const ended = await this.#endOthers(actor, { only: sessionId });
    if (ended === 0) throw new LatchkeyError("NOT_FOUND", "You have no session with this id.");
  }

  /** Ends all the user's sessions except this one. @returns how many @throws UNAUTHENTICATED */
  async revokeOthers(actor: Actor): Promise<number> {
    return this.#endOthers(actor, { except: actor.sessionId });
  }

  /** Ends a session whose refresh token was reused, as part of a transaction. */
  async endReused(transaction: Database, { id, userId }: Session, caller: Caller): Promise<void> {
    await this.#end(transaction, "REFRESH_TOKEN_REUSED", asThemselves({ userId, caller }), { only: id });
  }

  /** Ends all of a user's sessions, as part of a transaction that has locked the user. @returns how many */
  async endAll(transaction: Database, userId: string, by: ChangedBy): Promise<number> {
    return this.#end(transaction, "SESSION_REVOKED", { userId, by });
  }

  async #endOthers(actor: Actor, which: { only?: string; except?: string }): Promise<number> {
    return inTransaction(this.deps.db, async (transaction) => {
      await authorize(transaction, actor, { now: this.deps.clock.now() });
      return this.#end(transaction, "SESSION_REVOKED", asThemselves(actor), which);
    });
  }

  async #end(
    transaction: Database,
    type: AuditEventType,
    { userId, by }: { userId: string; by: ChangedBy },
    { details = {}, ...which }: { only?: string; except?: string; details?: Record<string, unknown> } = {},
  ): Promise<number> {
    const ended = await endSessions(transaction, userId, this.deps.clock.now(), which);
    for (const sessionId of ended) {
      await this.deps.audit.record(transaction, type, { ...by, subjectId: userId, sessionId, details });
    }
    return ended.length;
  }
}

function asThemselves(actor: Pick<Actor, "userId" | "caller">): { userId: string; by: ChangedBy } {
  return { userId: actor.userId, by: changedBy(actor) };
}
