import type { Caller } from "../services/audit.js";
import type { Sessions } from "../services/sessions/sessions.js";
import type { Actor, Viewer } from "../services/sessions/viewer.js";
import { readBearer } from "./bearer.js";
import type { Loaders } from "./loaders.js";
import type { RefreshCookie } from "./token.js";

/** What every resolver gets. */
export interface Context {
  viewer: Viewer;
  caller: Caller;
  /** Undefined: the client keeps its refresh token itself. */
  refreshCookie: RefreshCookie | undefined;
  loaders: Loaders;
}

/**
 * The viewer of a request. A bad token makes an anonymous viewer with the reason instead of an error: a stale token
 * must not stop `login`.
 */
export async function readViewer(sessions: Sessions, authorization: string | undefined): Promise<Viewer> {
  const header = readBearer(authorization);
  switch (header.kind) {
    case "missing":
      return { kind: "anonymous", reason: "MISSING_TOKEN" };
    case "other-scheme":
      return { kind: "anonymous", reason: "UNSUPPORTED_SCHEME" };
    case "malformed":
      return { kind: "anonymous", reason: "INVALID_TOKEN" };
    case "token":
      return sessions.authenticate(header.token);
    default:
      throw new Error(`Unreachable: ${header satisfies never}`);
  }
}

/** The signed-in user and session of a resolver that is guarded by `@Auth`. */
export function signedIn({ viewer }: Context): Extract<Viewer, { kind: "user" }> {
  if (viewer.kind === "anonymous")
    throw new Error("a resolver that needs the viewer is not guarded by @Auth");
  return viewer;
}

/** The signed-in user as the actor of a change. */
export function actorOf(context: Context): Actor {
  const { user, sessionId } = signedIn(context);
  return { userId: user.id, sessionId, caller: context.caller };
}
