import { CLOCK_TOLERANCE, SECOND } from "../clock.js";
import { type ClaimSettings, readClaims } from "./claims.js";
import type { Reader } from "./reader.js";

const ALGORITHMS = ["ES256", "EdDSA", "HS256"] as const;

/** The JWS algorithms an access token can be signed with (RFC 7518, RFC 8037). */
export type Algorithm = (typeof ALGORITHMS)[number];

/** Access tokens, their keys, and the sessions that they belong to. */
export interface TokenSettings extends ClaimSettings {
  readonly tokenAudience: string;
  readonly algorithm: Algorithm;
  /** How long a new signing key is published before it signs. */
  readonly keyAnnounceSeconds: number;
  readonly accessTokenExpireMinutes: number;
  readonly refreshTokenExpireDays: number;
  readonly sessionExpireDays: number;
  readonly refreshGraceSeconds: number;
  /** The secret that resource servers introspect tokens with. Undefined: `/introspect` is not served. */
  readonly introspectionSecret: string | undefined;
}

/** Processes and caches of the key set use its keys for half of it, in seconds, before they load them again. */
export const MIN_KEY_ANNOUNCE_SECONDS = 60;

/** One tolerance covers two clocks that differ, the other the time that a request takes. */
const MIN_REFRESH_GRACE_SECONDS = (2 * CLOCK_TOLERANCE) / SECOND;

/** @param problems receives a line for each problem of the claims file */
export function readTokens(reader: Reader, problems: string[]): TokenSettings {
  const { read, oneOf, integer, secret } = reader;
  return {
    tokenAudience: read("TOKEN_AUDIENCE", "latchkey", "one word without spaces", (value) =>
      /^\S+$/.test(value) ? value : undefined,
    ),
    algorithm: oneOf("ALGORITHM", "ES256", ALGORITHMS),
    keyAnnounceSeconds: integer(
      "KEY_ANNOUNCE_SECONDS",
      MIN_KEY_ANNOUNCE_SECONDS,
      MIN_KEY_ANNOUNCE_SECONDS,
      86_400,
    ),
    accessTokenExpireMinutes: integer("ACCESS_TOKEN_EXPIRE_MINUTES", 15, 1, 1440),
    refreshTokenExpireDays: integer("REFRESH_TOKEN_EXPIRE_DAYS", 14, 1, 365),
    sessionExpireDays: integer("SESSION_EXPIRE_DAYS", 90, 1, 3650),
    refreshGraceSeconds: read(
      "REFRESH_GRACE_SECONDS",
      10,
      `0, or a number from ${MIN_REFRESH_GRACE_SECONDS} to 60`,
      (value) => {
        const seconds = /^\d+$/.test(value) ? Number(value) : Number.NaN;
        return seconds === 0 || (seconds >= MIN_REFRESH_GRACE_SECONDS && seconds <= 60) ? seconds : undefined;
      },
    ),
    introspectionSecret: secret("INTROSPECTION_SECRET"),
    ...readClaims(reader, problems),
  };
}
