import { errors, type JWTPayload, jwtVerify } from "jose";
import { createKeys } from "./keys.js";

/** The claims of an access token (RFC 9068). Times are in seconds since 1970. */
export interface AccessTokenClaims {
  iss: string;
  aud: string;
  /** The user's id. */
  sub: string;
  /** The session's id. */
  sid: string;
  jti: string;
  iat: number;
  exp: number;
  /** When the user last proved who they are. */
  auth_time: number;
  /** How, by the names of RFC 8176: `mfa` for a second factor. */
  amr: string[];
  roles: string[];
}

export interface VerifierOptions {
  /** Latchkey's `PUBLIC_URL`, exactly. */
  issuer: string;
  /** Latchkey's `TOKEN_AUDIENCE`. */
  audience?: string;
  /** Latchkey's `ALGORITHM`. While it changes, the old one and the new one. */
  algorithms?: readonly ("ES256" | "EdDSA")[];
  /** The URL of the key set, when services reach Latchkey at another address than clients. */
  keysUrl?: string;
}

/** Why a token is refused: `extensions.reason` of `UNAUTHENTICATED`. */
export type InvalidTokenReason = "INVALID_TOKEN" | "TOKEN_EXPIRED";

export class InvalidTokenError extends Error {
  override readonly name = "InvalidTokenError";

  constructor(readonly reason: InvalidTokenReason) {
    super(reason === "TOKEN_EXPIRED" ? "The access token has expired." : "The access token is not valid.");
  }
}

/**
 * Verifies an access token.
 * @throws InvalidTokenError; KeysUnavailableError when Latchkey cannot be reached for its keys
 */
export type VerifyAccessToken = (token: string) => Promise<AccessTokenClaims>;

/** The longest lifetime of an access token (`ACCESS_TOKEN_EXPIRE_MINUTES`), and how far clocks may differ, in seconds. */
const MAX_LIFETIME = 24 * 60 * 60;
const CLOCK_TOLERANCE = 5;

export function createVerifyAccessToken(options: VerifierOptions): VerifyAccessToken {
  const { issuer, audience = "latchkey", algorithms = ["ES256"] } = options;
  const { keysUrl = `${issuer.replace(/\/$/, "")}/.well-known/jwks.json` } = options;
  const keys = createKeys(new URL(keysUrl));

  return async (token) => {
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer,
        audience,
        algorithms: [...algorithms],
        typ: "at+jwt",
        requiredClaims: ["sub", "sid", "jti", "iat", "exp", "auth_time", "amr", "roles"],
        // jose accepts a token from the future unless its age is limited.
        maxTokenAge: MAX_LIFETIME,
        clockTolerance: CLOCK_TOLERANCE,
      });
      if (!isClaims(payload)) throw new errors.JWTInvalid();
      return payload;
    } catch (error) {
      if (error instanceof errors.JWTExpired) throw new InvalidTokenError("TOKEN_EXPIRED");
      if (error instanceof errors.JOSEError) throw new InvalidTokenError("INVALID_TOKEN");
      throw error;
    }
  };
}

function isClaims(payload: JWTPayload): payload is JWTPayload & AccessTokenClaims {
  const { aud, sub, sid, roles, amr } = payload;
  return [aud, sub, sid].every((claim) => typeof claim === "string") && [roles, amr].every(areTexts);
}

function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((entry) => typeof entry === "string");
}
