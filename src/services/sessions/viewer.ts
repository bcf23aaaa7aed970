import { LatchkeyError, type UnauthenticatedReason } from "../../errors.js";
import type { Database } from "../../storage/database.js";
import { findSessionWithUser, type Session } from "../../storage/sessions.js";
import { lockUsers, type Role, type User } from "../../storage/users.js";
import type { Caller } from "../audit.js";

/** Who sends a request: a user with a live session, or nobody and why. */
export type Viewer =
  | { kind: "user"; user: User; sessionId: string }
  | { kind: "anonymous"; reason: UnauthenticatedReason };

/** A signed-in user who asks for a change, in which session, and where the request comes from. */
export interface Actor {
  userId: string;
  sessionId: string;
  caller: Caller;
}

const UNAUTHENTICATED_MESSAGES: Record<UnauthenticatedReason, string> = {
  MISSING_TOKEN: "Sign in first: send the access token from `login` as `Authorization: Bearer …`.",
  UNSUPPORTED_SCHEME:
    "Send the access token with its scheme: the `Authorization` header must be `Bearer`, a space and the token.",
  INVALID_TOKEN: "The access token is not valid. Refresh it, or log in again.",
  TOKEN_EXPIRED: "The access token has expired. Refresh it, or log in again.",
  SESSION_REVOKED: "This session has ended. Log in again.",
  ACCOUNT_DISABLED: "This account has been disabled. Ask an administrator.",
};

/** Whether the session has neither ended nor expired. */
export function isLive(session: Session, now: number): boolean {
  return session.endedAt === null && session.expiresAt > now;
}

/**
 * The user of a session, if both are as they must be.
 * @param found the session and its user as they are stored now
 */
export function viewerOf(
  found: { session: Session; user: User } | undefined,
  userId: string,
  now: number,
): Viewer {
  if (found === undefined || found.user.id !== userId) return { kind: "anonymous", reason: "INVALID_TOKEN" };
  if (found.user.disabledAt !== null) return { kind: "anonymous", reason: "ACCOUNT_DISABLED" };
  if (!isLive(found.session, now)) return { kind: "anonymous", reason: "SESSION_REVOKED" };
  return { kind: "user", user: found.user, sessionId: found.session.id };
}

/** The one rule of who may do what is for a role. @throws UNAUTHENTICATED, FORBIDDEN */
export function requireRole(viewer: Viewer, role: Role): User {
  if (viewer.kind === "anonymous") {
    const { reason } = viewer;
    throw new LatchkeyError("UNAUTHENTICATED", UNAUTHENTICATED_MESSAGES[reason], { reason });
  }
  if (!viewer.user.roles.includes(role)) {
    throw new LatchkeyError("FORBIDDEN", "You are signed in, but your roles do not allow this.");
  }
  return viewer.user;
}

/**
 * Begins a transaction that writes for a signed-in user: what the request was let in with may have changed since, by
 * an earlier field of it or by somebody else. Locks the actor's row, so that it holds until the end.
 * @param options.subjectId another user whom it changes, to be locked as well
 * @returns both as they are now
 * @throws UNAUTHENTICATED, FORBIDDEN
 */
export async function authorize(
  transaction: Database,
  actor: Actor,
  { now, role = "USER", subjectId }: { now: number; role?: Role; subjectId?: string },
): Promise<{ user: User; subject: User | undefined }> {
  const users = await lockUsers(transaction, [actor.userId, ...(subjectId ? [subjectId] : [])]);
  const found = await findSessionWithUser(transaction, actor.sessionId);
  const user = requireRole(viewerOf(found, actor.userId, now), role);
  return { user, subject: subjectId === undefined ? undefined : users.get(subjectId) };
}
