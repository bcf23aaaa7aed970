import { KeysUnavailableError } from "./keys.js";
import { type AccessTokenClaims, InvalidTokenError, type VerifyAccessToken } from "./verifier.js";

/** A signed-in user. */
export interface SignedInViewer {
  kind: "user";
  id: string;
  roles: string[];
  claims: AccessTokenClaims;
}

/** Who a request comes from. */
export type Viewer =
  | SignedInViewer
  | { kind: "anonymous"; reason: AnonymousReason }
  /** Latchkey's keys cannot be fetched at the moment. */
  | { kind: "unknown" };

/** Why a request is not authenticated: `extensions.reason` of `UNAUTHENTICATED`. */
export type AnonymousReason = "MISSING_TOKEN" | "UNSUPPORTED_SCHEME" | "INVALID_TOKEN" | "TOKEN_EXPIRED";

/** Reads the viewer from an `Authorization` header. It never throws, so that public fields work with any header. */
export async function readViewer(
  verifyAccessToken: VerifyAccessToken,
  authorization: string | null | undefined,
): Promise<Viewer> {
  if (!authorization) return { kind: "anonymous", reason: "MISSING_TOKEN" };
  // RFC 6750, 2.1
  const [, token] = /^bearer +([\w.~+/-]+=*)$/i.exec(authorization) ?? [];
  if (!token) {
    const reason = /^bearer( |$)/i.test(authorization) ? "INVALID_TOKEN" : "UNSUPPORTED_SCHEME";
    return { kind: "anonymous", reason };
  }
  try {
    const claims = await verifyAccessToken(token);
    return { kind: "user", id: claims.sub, roles: claims.roles, claims };
  } catch (error) {
    if (error instanceof InvalidTokenError) return { kind: "anonymous", reason: error.reason };
    if (error instanceof KeysUnavailableError) return { kind: "unknown" };
    throw error;
  }
}

/** RFC 6750, 3.1: no error attribute without a bearer token. */
const HAS_TOKEN: Record<AnonymousReason, boolean> = {
  MISSING_TOKEN: false,
  UNSUPPORTED_SCHEME: false,
  INVALID_TOKEN: true,
  TOKEN_EXPIRED: true,
};
const MESSAGES: Record<AnonymousReason, string> = {
  MISSING_TOKEN: "Sign in first, and send the access token as `Authorization: Bearer …`.",
  UNSUPPORTED_SCHEME: "The `Authorization` header must be `Bearer`, a space and the access token.",
  INVALID_TOKEN: "The access token is not valid. Refresh it, or sign in again.",
  TOKEN_EXPIRED: "The access token has expired. Refresh it, or sign in again.",
};

/** How a refused request is answered, over HTTP (RFC 6750) and in GraphQL. */
export interface Refusal {
  status: number;
  headers: Record<string, string>;
  message: string;
  extensions: Record<string, unknown>;
}

/** Why this viewer may not use what needs a signed-in user, or one with this role; undefined when they may. */
export function refusalOf(viewer: Viewer, role?: string): Refusal | undefined {
  switch (viewer.kind) {
    case "unknown":
      return {
        status: 503,
        headers: { "retry-after": "5" },
        message: "Access tokens cannot be verified at the moment.",
        extensions: { code: "SERVICE_UNAVAILABLE", retryAfter: 5 },
      };
    case "anonymous":
      return {
        status: 401,
        headers: { "www-authenticate": HAS_TOKEN[viewer.reason] ? 'Bearer error="invalid_token"' : "Bearer" },
        message: MESSAGES[viewer.reason],
        extensions: { code: "UNAUTHENTICATED", reason: viewer.reason },
      };
    case "user":
      if (role === undefined || viewer.roles.includes(role)) return undefined;
      return {
        status: 403,
        headers: { "www-authenticate": 'Bearer error="insufficient_scope"' },
        message: "You are not allowed to do this.",
        extensions: { code: "FORBIDDEN" },
      };
    default:
      throw new Error(`Unreachable: ${viewer satisfies never}`);
  }
}
