import { randomBytes } from "node:crypto";
import { hashOpaqueToken } from "./opaque-tokens.js";

/** The first half of a refresh token's 32 bytes is the same for all tokens of a session. */
const FAMILY_BYTES = 16;

/** The stored form of a refresh token, from which the token cannot be computed. */
export interface RefreshTokenHashes {
  tokenHash: string;
  /** The same for all refresh tokens of a session. */
  familyHash: string;
}

/**
 * A token to replace this one. A session's first token is any opaque token. The first half stays the same, so that an
 * old token of a session is recognized without a row for each; the other 128 bits are random.
 */
export function newSuccessor(refreshToken: string): string {
  return Buffer.concat([familyOf(refreshToken), randomBytes(FAMILY_BYTES)]).toString("base64url");
}

export function hashRefreshToken(refreshToken: string): RefreshTokenHashes {
  return {
    tokenHash: hashOpaqueToken(refreshToken),
    familyHash: hashOpaqueToken(familyOf(refreshToken).toString("base64url")),
  };
}

function familyOf(refreshToken: string): Buffer {
  return Buffer.from(refreshToken, "base64url").subarray(0, FAMILY_BYTES);
}
