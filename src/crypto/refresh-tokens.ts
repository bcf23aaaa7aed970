import { randomBytes } from "node:crypto";
import { hashOpaqueToken } from "./opaque-tokens.js";

/** Of a refresh token's 32 bytes it shares these with its successors; as many are its own. */
const FAMILY_BYTES = 16;

/** What is kept of a refresh token: nothing that could be used. */
export interface RefreshTokenHashes {
  tokenHash: string;
  /** The same for all refresh tokens of a session. */
  familyHash: string;
}

/**
 * The token that replaces this one; a session's first is any opaque token. Its first half is the same, so that whoever presents an older token of the
 * session is told from a stranger without a row for each token there was; the other 128 bits are new.
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
