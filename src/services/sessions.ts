import type { Clock, NewId } from "../clock.js";
import type { AccessTokens } from "../crypto/access-tokens.js";
import type { UnauthenticatedReason } from "../errors.js";
import type { Database } from "../storage/database.js";
import { findSessionWithUser, insertSession, type Session } from "../storage/sessions.js";
import type { User } from "../storage/users.js";

/** Who sends a request: a user with a live session, or nobody and why. */
export type Viewer =
  | { kind: "user"; user: User; sessionId: string }
  | { kind: "anonymous"; reason: UnauthenticatedReason };

/** What a client gets for signing in. */
export interface IssuedToken {
  accessToken: string;
  /** Epoch milliseconds. */
  expiresAt: number;
  user: User;
}

/** Starts sessions, and tells whose a token is. */
export class Sessions {
  readonly #db: Database;
  readonly #accessTokens: AccessTokens;
  readonly #clock: Clock;
  readonly #newId: NewId;

  constructor(deps: { db: Database; accessTokens: AccessTokens; clock: Clock; newId: NewId }) {
    this.#db = deps.db;
    this.#accessTokens = deps.accessTokens;
    this.#clock = deps.clock;
    this.#newId = deps.newId;
  }

  /** Writes a new session, with the transaction it is a part of. */
  async start(transaction: Database, user: User): Promise<Session> {
    const session = { id: this.#newId(), userId: user.id, createdAt: this.#clock.now(), endedAt: null };
    await insertSession(transaction, session);
    return session;
  }

  async issueToken(session: Session, user: User): Promise<IssuedToken> {
    const { token, expiresAt } = await this.#accessTokens.issue({
      sub: user.id,
      sid: session.id,
      jti: this.#newId(),
      roles: user.roles,
    });
    return { accessToken: token, expiresAt, user };
  }

  /**
   * Whose token this is, now: the database is asked every time, so that ending a session or disabling
   * a user is felt on the very next request.
   */
  async authenticate(accessToken: string): Promise<Viewer> {
    const result = await this.#accessTokens.verify(accessToken);
    if (!result.valid) return { kind: "anonymous", reason: result.reason };
    const { sub, sid } = result.claims;
    const found = await findSessionWithUser(this.#db, sid);
    if (found === undefined || found.user.id !== sub) return { kind: "anonymous", reason: "INVALID_TOKEN" };
    if (found.user.disabledAt !== null) return { kind: "anonymous", reason: "ACCOUNT_DISABLED" };
    if (found.session.endedAt !== null) return { kind: "anonymous", reason: "SESSION_REVOKED" };
    return { kind: "user", user: found.user, sessionId: sid };
  }
}
