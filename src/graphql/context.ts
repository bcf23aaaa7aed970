import type { Sessions, Viewer } from "../services/sessions.js";

/** What every resolver is given: who asks. */
export interface Context {
  viewer: Viewer;
}

/** RFC 6750, 2.1: one scheme in any case, one token. */
const BEARER = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/**
 * Reads the bearer token once a request. A bad token makes an anonymous viewer with the reason, not an
 * error: it must not stop `login`.
 */
export async function createContext(sessions: Sessions, authorization: string | undefined): Promise<Context> {
  if (authorization === undefined || !/^bearer\b/i.test(authorization)) {
    return { viewer: { kind: "anonymous", reason: "MISSING_TOKEN" } };
  }
  const token = BEARER.exec(authorization)?.[1];
  if (token === undefined) return { viewer: { kind: "anonymous", reason: "INVALID_TOKEN" } };
  return { viewer: await sessions.authenticate(token) };
}

/** The signed-in user of a resolver that is guarded by `@Auth`. */
export function signedInUser({ viewer }: Context) {
  if (viewer.kind === "anonymous")
    throw new Error("A resolver that needs the viewer is not guarded by @Auth");
  return viewer.user;
}
