import { readFileSync } from "node:fs";
import type { Reader } from "./reader.js";

/** What a claims file can take from a user, after a `$`. */
const CLAIM_FIELDS = [
  "id",
  "username",
  "email",
  "emailVerified",
  "fullName",
  "roles",
  "defaultRole",
] as const;
export type ClaimField = (typeof CLAIM_FIELDS)[number];

/** A claim's value in CLAIMS_FILE: a user's field, a literal, or an object or a list of them. */
export type ClaimTemplate =
  | { kind: "field"; field: ClaimField; lowerCase: boolean }
  | { kind: "literal"; value: string | number | boolean }
  | { kind: "object"; members: readonly (readonly [name: string, value: ClaimTemplate])[] }
  | { kind: "list"; entries: readonly ClaimTemplate[] };

/** What access tokens say about a user, beside the session. */
export interface ClaimSettings {
  readonly userScopes: readonly string[];
  /** The scopes that administrators have as well. */
  readonly adminScopes: readonly string[];
  /** The claims that CLAIMS_FILE adds. */
  readonly claims: ClaimTemplate | undefined;
}

/**
 * Claims that CLAIMS_FILE cannot set: Latchkey's own, and others that tell a verifier how to treat the token (RFC 7519,
 * RFC 7662, RFC 7800, RFC 8693, RFC 9068).
 */
const RESERVED = new Set([
  ...["iss", "aud", "sub", "exp", "nbf", "iat", "jti", "sid", "client_id", "scope", "roles"],
  ...["auth_time", "amr", "acr", "azp", "nonce", "cnf", "act", "may_act", "active", "token_type"],
]);

const MAX_FILE_BYTES = 10_000;
const MAX_DEPTH = 5;

/** Of RFC 6749, 3.3. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+$/;
/** Of all scopes of a setting. */
const MAX_SCOPES_LENGTH = 1000;

/** Reads USER_SCOPES, ADMIN_SCOPES and CLAIMS_FILE. */
export function readClaims({ read }: Reader, problems: string[]): ClaimSettings {
  const scopes = (name: string, fallback: readonly string[]) =>
    read(
      name,
      fallback,
      `scopes separated by spaces, such as items:read items:write, of at most ${MAX_SCOPES_LENGTH} characters`,
      parseScopes,
    );
  return {
    userScopes: scopes("USER_SCOPES", ["profile", "items:read", "items:write", "account"]),
    adminScopes: scopes("ADMIN_SCOPES", ["admin"]),
    claims: read<ClaimTemplate | undefined>("CLAIMS_FILE", undefined, "a file that can be read", (file) =>
      readClaimsFile(file, problems),
    ),
  };
}

function parseScopes(value: string): readonly string[] | undefined {
  const scopes = [...new Set(value.split(" ").filter((scope) => scope !== ""))];
  const fits =
    scopes.length > 0 && value.length <= MAX_SCOPES_LENGTH && scopes.every((scope) => SCOPE.test(scope));
  return fits ? Object.freeze(scopes) : undefined;
}

/** @returns undefined when the file cannot be read */
function readClaimsFile(file: string, problems: string[]): ClaimTemplate | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
  const problem = (what: string) => void problems.push(`CLAIMS_FILE: ${what}`);
  if (Buffer.byteLength(text) > MAX_FILE_BYTES)
    problem(`the file must not have more than ${MAX_FILE_BYTES} bytes`);
  const none: ClaimTemplate = { kind: "object", members: [] };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    problem("the file must be JSON");
    return none;
  }
  const template = toTemplate(json, [], problem);
  if (template?.kind === "object") {
    for (const [name] of template.members) if (RESERVED.has(name)) problem(`${name} cannot be set`);
    return template;
  }
  problem("the file must be a JSON object");
  return none;
}

/** @param path the names and indexes that lead to the value; an error names them, not the value */
function toTemplate(
  json: unknown,
  path: readonly (string | number)[],
  problem: (what: string) => void,
): ClaimTemplate | undefined {
  const where = path.length === 0 ? "the file" : path.join(" → ");
  if (path.length > MAX_DEPTH) {
    problem(`${where} is nested too deeply: at most ${MAX_DEPTH} levels`);
    return undefined;
  }
  if (typeof json === "number" || typeof json === "boolean") return { kind: "literal", value: json };
  if (typeof json === "string") {
    if (!json.startsWith("$")) return { kind: "literal", value: json };
    const [, name, suffix] = /^\$(\w+)(\.lowerCase)?$/.exec(json) ?? [];
    const field = CLAIM_FIELDS.find((each) => each === name);
    if (field !== undefined) return { kind: "field", field, lowerCase: suffix !== undefined };
    const fields = CLAIM_FIELDS.map((each) => `$${each}`).join(", ");
    problem(`${where} must be a literal, or one of ${fields}, with .lowerCase after it or not`);
    return undefined;
  }
  if (Array.isArray(json)) {
    const entries = json.map((entry, index) => toTemplate(entry, [...path, index], problem));
    return { kind: "list", entries: entries.filter((entry) => entry !== undefined) };
  }
  if (json !== null && typeof json === "object") {
    const members = Object.entries(json).map(
      ([name, value]) => [name, toTemplate(value, [...path, name], problem)] as const,
    );
    return {
      kind: "object",
      members: members.filter((member): member is [string, ClaimTemplate] => member[1] !== undefined),
    };
  }
  problem(`${where} must not be null`);
  return undefined;
}
