import { hash } from "node:crypto";
import { errors, jwtVerify, SignJWT } from "jose";
import { LRUCache } from "lru-cache";
import { CLOCK_TOLERANCE, type Clock, SECOND } from "../clock.js";
import type { KeyRing, VerificationKey } from "./key-ring.js";

/** The claims of an access token: those of RFC 9068, and the session. Times are epoch seconds. */
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
  /** How, by the names of RFC 8176. */
  amr: readonly string[];
  roles: string[];
  /** What the roles allow, separated by spaces (RFC 9068, 2.2.3). */
  scope: string;
}

export type AccessTokenResult =
  | { valid: true; claims: AccessTokenClaims }
  | { valid: false; reason: "INVALID_TOKEN" | "TOKEN_EXPIRED" };

/** RFC 9068 requires the claim. All clients are first-party, and share this one. */
const CLIENT_ID = "latchkey";

/** How far the clock of another process may be ahead, in seconds. */
const FUTURE_TOLERANCE = CLOCK_TOLERANCE / SECOND;

/** The form of our ids. A session's id is looked up in the database, which does not accept every text. */
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The most tokens that are remembered as verified. With one role each they take 5 MB. */
export const MAX_REMEMBERED = 10_000;

/** A token whose signature and form were verified: what depends on the time is not. */
interface Verified {
  claims: Readonly<AccessTokenClaims>;
  /** Epoch seconds. */
  notBefore: number;
  key: VerificationKey;
}

export interface AccessTokensDeps {
  keys: KeyRing;
  clock: Clock;
  issuer: string;
  audience: string;
  lifetimeSeconds: number;
}

/**
 * Issues and verifies access tokens: JWTs of RFC 9068's profile, verified as RFC 8725 requires. Header and payload must
 * be encoded exactly as issued. Only `typ` can have any form of RFC 9068, 2.1.
 *
 * Verifying a signature takes more time than all else that a request does, and a client sends its token many times: a
 * token that was verified is remembered by its SHA-256. Whether its key still verifies, and its times, are checked at
 * each use.
 */
export class AccessTokens {
  readonly #remembered = new LRUCache<string, Verified>({ max: MAX_REMEMBERED });

  constructor(private readonly deps: AccessTokensDeps) {}

  /** How many tokens are remembered. */
  get remembered(): number {
    return this.#remembered.size;
  }

  /**
   * @param claims the claims, and others to add
   * @param notAfter the latest expiry, in epoch milliseconds
   * @returns the token, and when it expires in epoch milliseconds
   */
  async issue(
    claims: Pick<AccessTokenClaims, "sub" | "sid" | "jti" | "auth_time" | "amr" | "roles" | "scope"> &
      Record<string, unknown>,
    notAfter: number,
  ): Promise<{ token: string; expiresAt: number; expiresIn: number }> {
    const { issuer, audience, lifetimeSeconds } = this.deps;
    const key = await this.deps.keys.signingKey();
    const iat = Math.floor(this.deps.clock.now() / SECOND);
    const exp = Math.min(iat + lifetimeSeconds, Math.floor(notAfter / SECOND));
    const token = await new SignJWT({ ...claims, iss: issuer, aud: audience, client_id: CLIENT_ID, iat, exp })
      .setProtectedHeader({ alg: key.algorithm, typ: "at+jwt", kid: key.kid })
      .sign(key.sign);
    return { token, expiresAt: exp * SECOND, expiresIn: exp - iat };
  }

  /** Never throws for a bad token; fetches nothing a token names. */
  async verify(token: string): Promise<AccessTokenResult> {
    const digest = hash("sha256", token, "base64");
    const known = this.#remembered.get(digest);
    if (known !== undefined && (await this.deps.keys.verificationKey(known.key.kid)) === known.key)
      return this.#checkTimes(known);
    this.#remembered.delete(digest);
    const result = await this.#verifySignature(token);
    if ("reason" in result) return result;
    const checked = this.#checkTimes(result);
    if (checked.valid) this.#remembered.set(digest, result);
    return checked;
  }

  #checkTimes({ claims, notBefore }: Verified): AccessTokenResult {
    const now = Math.floor(this.deps.clock.now() / SECOND);
    if (claims.exp <= now) return { valid: false, reason: "TOKEN_EXPIRED" };
    return notBefore > now || claims.iat > now + FUTURE_TOLERANCE
      ? { valid: false, reason: "INVALID_TOKEN" }
      : { valid: true, claims };
  }

  async #verifySignature(token: string): Promise<Verified | Extract<AccessTokenResult, { valid: false }>> {
    const invalid = { valid: false, reason: "INVALID_TOKEN" } as const;
    if (!isCanonicalCompactJws(token)) return invalid;
    let key: VerificationKey | undefined;
    try {
      const { payload } = await jwtVerify(
        token,
        async ({ alg, kid, typ, ...others }) => {
          // Other header parameters (RFC 7515, 4.1) bring a key or a rule of their own: jwk, jku, b64, cty.
          if (Object.keys(others).length > 0) throw new errors.JWSInvalid();
          key = typeof kid === "string" ? await this.deps.keys.verificationKey(kid) : undefined;
          if (key === undefined || key.algorithm !== alg) throw new errors.JWKSNoMatchingKey();
          return key.verify;
        },
        {
          issuer: this.deps.issuer,
          audience: this.deps.audience,
          typ: "at+jwt",
          requiredClaims: ["sub", "sid", "jti", "iat", "exp"],
          currentDate: new Date(this.deps.clock.now()),
        },
      );
      const claims = toClaims(payload);
      if (key === undefined || claims === undefined || claims.exp <= claims.iat) return invalid;
      return { claims: Object.freeze(claims), notBefore: payload.nbf ?? 0, key };
    } catch (error) {
      if (error instanceof errors.JWTExpired) return { valid: false, reason: "TOKEN_EXPIRED" };
      // jose throws a JOSEError for every invalid token. Anything else, such as a database error, is a failure of ours.
      if (error instanceof errors.JOSEError) return invalid;
      throw error;
    }
  }
}

function toClaims(payload: Record<string, unknown>): AccessTokenClaims | undefined {
  const { iss, aud, sub, sid, jti, iat, exp, auth_time, amr, roles, scope } = payload;
  const fits =
    typeof iss === "string" &&
    typeof aud === "string" &&
    typeof sub === "string" &&
    typeof sid === "string" &&
    UUID.test(sid) &&
    typeof jti === "string" &&
    typeof iat === "number" &&
    typeof exp === "number" &&
    Number.isSafeInteger(iat) &&
    Number.isSafeInteger(exp) &&
    typeof auth_time === "number" &&
    Number.isSafeInteger(auth_time) &&
    areTexts(amr) &&
    areTexts(roles) &&
    typeof scope === "string";
  return fits ? { iss, aud, sub, sid, jti, iat, exp, auth_time, amr, roles, scope } : undefined;
}

function areTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === "string");
}

/** RFC 8725bis, 3.14: base64url and JSON can encode the same value in several ways. Only ours is accepted. */
function isCanonicalCompactJws(token: string): boolean {
  const parts = token.split(".");
  return (
    parts.length === 3 &&
    parts.every((part) => part !== "" && Buffer.from(part, "base64url").toString("base64url") === part) &&
    parts.slice(0, 2).every(isCanonicalJson)
  );
}

/** Without whitespace or duplicate members, of which parsers may use either (RFC 8259, 4). */
function isCanonicalJson(part: string): boolean {
  try {
    const json = Buffer.from(part, "base64url").toString();
    return JSON.stringify(JSON.parse(json)) === json;
  } catch {
    return false;
  }
}
