import type { Caller } from "../services/audit.js";
import type { Sessions } from "../services/sessions/sessions.js";
import type { Actor, Viewer } from "../services/sessions/viewer.js";
import type { Loaders } from "./loaders.js";

/** What every resolver is given: who asks, from where, and how to read for many at once. */
export interface Context {
  viewer: Viewer;
  caller: Caller;
  loaders: Loaders;
}

/** RFC 6750, 2.1: one scheme in any case, one token. */
const BEARER = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/** The token of an `Authorization` header: null when it has none, undefined when it is not one. */
export function bearerToken(authorization: string | undefined): string | null | undefined {
  if (authorization === undefined || !/^bearer\b/i.test(authorization)) return null;
  return BEARER.exec(authorization)?.[1];
}

/**
 * Who sends the request. A bad token makes an anonymous viewer with the reason, not an error: it must not
 * stop `login`.
 */
export async function readViewer(sessions: Sessions, authorization: string | undefined): Promise<Viewer> {
  const token = bearerToken(authorization);
  if (token === null) return { kind: "anonymous", reason: "MISSING_TOKEN" };
  if (token === undefined) return { kind: "anonymous", reason: "INVALID_TOKEN" };
  return sessions.authenticate(token);
}

/** The signed-in user and session of a resolver that is guarded by `@Auth`. */
export function signedIn({ viewer }: Context): Extract<Viewer, { kind: "user" }> {
  if (viewer.kind === "anonymous")
    throw new Error("A resolver that needs the viewer is not guarded by @Auth");
  return viewer;
}

/** The same, as who asks for a change. */
export function actorOf(context: Context): Actor {
  const { user, sessionId } = signedIn(context);
  return { userId: user.id, sessionId, caller: context.caller };
}
