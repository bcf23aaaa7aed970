/** What an `Authorization` header holds, as far as bearer tokens are concerned. */
export type BearerHeader =
  | { kind: "missing" }
  /** Another scheme, or a token without one. */
  | { kind: "other-scheme" }
  /** The scheme is right, and what follows is not exactly one token. */
  | { kind: "malformed" }
  | { kind: "token"; token: string };

/** RFC 6750, 2.1: one scheme in any case, one token. */
const BEARER = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/** Reads an `Authorization` header. It never throws. */
export function readBearer(authorization: string | undefined): BearerHeader {
  if (authorization === undefined || authorization === "") return { kind: "missing" };
  if (!/^bearer( |$)/i.test(authorization)) return { kind: "other-scheme" };
  const token = BEARER.exec(authorization)?.[1];
  return token === undefined ? { kind: "malformed" } : { kind: "token", token };
}
