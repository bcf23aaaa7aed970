import { randomBytes } from "node:crypto";
import { hashOpaqueToken } from "./opaque-tokens.js";

/** Crockford's base32: no letter looks like a digit, or like another. */
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const GROUPS = 4;
const GROUP_LENGTH = 6;

/** A new recovery code: 120 random bits, in four groups of six characters. */
export function newRecoveryCode(): string {
  const characters = [...randomBytes(GROUPS * GROUP_LENGTH)].map((byte) => ALPHABET[byte % ALPHABET.length]);
  const groups = Array.from({ length: GROUPS }, (_, group) =>
    characters.slice(group * GROUP_LENGTH, (group + 1) * GROUP_LENGTH).join(""),
  );
  return groups.join("-");
}

/**
 * The stored form of a recovery code as a person typed it: in any case, with any spaces or hyphens, and with the letters
 * O, I and L for the digits they look like. A plain SHA-256 is enough for 120 random bits.
 */
export function hashRecoveryCode(code: string): string {
  const characters = code.toUpperCase().replace(/[\s-]/g, "").replaceAll("O", "0").replace(/[IL]/g, "1");
  return hashOpaqueToken(characters);
}
