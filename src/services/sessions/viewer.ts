import { LatchkeyError, type UnauthenticatedReason } from "../../errors.js";
import type { Database } from "../../storage/database.js";
import { type Authentication, findSession, type Session } from "../../storage/sessions.js";
import { lockUsers, type Role, type User } from "../../storage/users.js";
import type { Caller, ChangedBy } from "../audit.js";
import { requireRecent } from "./recent-authentication.js";

/** The sender of a request: a user with a live session, or anonymous and why. */
export type Viewer =
  | { kind: "user"; user: User; sessionId: string; authentication: Authentication }
  | { kind: "anonymous"; reason: UnauthenticatedReason };

export type SignedInViewer = Extract<Viewer, { kind: "user" }>;

/** A signed-in user who requests a change, the session, and where the request comes from. */
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
 * The viewer for a session, or why it does not authenticate.
 * @param found the session and its user as currently stored
 */
export function viewerOf(
  found: { session: Session; user: User } | undefined,
  userId: string,
  now: number,
): Viewer {
  if (found === undefined || found.session.userId !== userId)
    return { kind: "anonymous", reason: "INVALID_TOKEN" };
  if (found.user.disabledAt !== null) return { kind: "anonymous", reason: "ACCOUNT_DISABLED" };
  if (!isLive(found.session, now)) return { kind: "anonymous", reason: "SESSION_REVOKED" };
  return { kind: "user", user: found.user, sessionId: found.session.id, authentication: found.session };
}

/** Requires a signed-in user with this role. @throws UNAUTHENTICATED, FORBIDDEN */
export function requireRole(viewer: Viewer, role: Role): SignedInViewer {
  if (viewer.kind === "anonymous") {
    const { reason } = viewer;
    throw new LatchkeyError("UNAUTHENTICATED", UNAUTHENTICATED_MESSAGES[reason], { reason });
  }
  if (!viewer.user.roles.includes(role)) {
    throw new LatchkeyError("FORBIDDEN", "You are signed in, but your roles do not allow this.");
  }
  return viewer;
}

/**
 * Authorizes a signed-in user again, at the start of the transaction that writes for them: an earlier field of the
 * request, or somebody else, may have ended the session since. Locks the actor's row, so that it holds until the end.
 * @param options.maxAgeSeconds the maximum age of the authentication: the user may have added a factor since the guard
 * @param options.subjectId another user to lock, whom the transaction changes
 * @returns both as they are now, and the actor's session
 * @throws UNAUTHENTICATED, FORBIDDEN, REAUTHENTICATION_REQUIRED
 */
export async function authorize(
  transaction: Database,
  actor: Actor,
  {
    now,
    role = "USER",
    subjectId,
    maxAgeSeconds,
  }: { now: number; role?: Role; subjectId?: string; maxAgeSeconds?: number },
): Promise<{ user: User; session: Session; subject: User | undefined }> {
  const users = await lockUsers(transaction, [actor.userId, ...(subjectId ? [subjectId] : [])]);
  const user = users.get(actor.userId);
  const session = await findSession(transaction, actor.sessionId);
  const viewer = viewerOf(user && session && { user, session }, actor.userId, now);
  const signedIn = requireRole(viewer, role);
  if (maxAgeSeconds !== undefined) requireRecent(signedIn, maxAgeSeconds, now);
  return {
    user: signedIn.user,
    session: session!,
    subject: subjectId === undefined ? undefined : users.get(subjectId),
  };
}

/** The actor as the one who made a change. */
export function changedBy({ userId, caller }: Pick<Actor, "userId" | "caller">): ChangedBy {
  return { actorId: userId, caller };
}
