import { type ClaimField, type ClaimTemplate, ConfigError } from "../../config.js";
import { ROLES, type User } from "../../storage/users.js";
import { FULL_NAME_LENGTH, MAX_LOGIN_LENGTH, USERNAME_LENGTH } from "../identifiers.js";
import type { Scopes } from "../scopes.js";

/** What access tokens and introspection say about a user, beside the session. */
export interface UserClaims {
  roles: User["roles"];
  /** RFC 9068, 2.2.3. */
  scope: string;
  /** A claim of CLAIMS_FILE. */
  [name: string]: unknown;
}

export interface ClaimsDeps {
  scopes: Scopes;
  template: ClaimTemplate | undefined;
}

/** A token travels in a header, of which servers and proxies accept 8 KB in total or less. */
const MAX_BYTES = 2048;

type ClaimedUser = Pick<User, "id" | "username" | "email" | "emailVerifiedAt" | "fullName" | "roles">;

/** The user with the longest claims. */
const LONGEST: ClaimedUser = {
  id: "00000000-0000-7000-8000-000000000000",
  username: "x".repeat(USERNAME_LENGTH[1]),
  email: "x".repeat(MAX_LOGIN_LENGTH),
  emailVerifiedAt: null,
  // Four bytes each in UTF-8.
  fullName: "🔑".repeat(FULL_NAME_LENGTH[1]),
  roles: [...ROLES],
};

/** Derives claims from users. @throws ConfigError when the claims of CLAIMS_FILE can become too long */
export class Claims {
  constructor(private readonly deps: ClaimsDeps) {
    if (Buffer.byteLength(JSON.stringify(this.#added(LONGEST))) > MAX_BYTES) {
      throw new ConfigError(
        `CLAIMS_FILE: the claims of a user whose values are all of the longest take more than ${MAX_BYTES} bytes`,
      );
    }
  }

  of(user: User): UserClaims {
    return { ...this.#added(user), roles: user.roles, scope: this.deps.scopes.of(user.roles).join(" ") };
  }

  #added(user: ClaimedUser): object {
    const { template } = this.deps;
    return template === undefined ? {} : (render(template, user) as object);
  }
}

/** Undefined for a field that the user has no value for: the claim is left out. */
function render(template: ClaimTemplate, user: ClaimedUser): unknown {
  switch (template.kind) {
    case "literal":
      return template.value;
    case "field": {
      const value = fieldOf(user, template.field);
      return template.lowerCase ? lowerCase(value) : value;
    }
    case "list":
      return template.entries.map((entry) => render(entry, user)).filter((value) => value !== undefined);
    case "object":
      return Object.fromEntries(
        template.members
          .map(([name, member]) => [name, render(member, user)])
          .filter(([, value]) => value !== undefined),
      );
    default:
      throw new Error(`Unreachable: ${template satisfies never}`);
  }
}

function fieldOf(user: ClaimedUser, field: ClaimField): string | boolean | readonly string[] | undefined {
  switch (field) {
    case "id":
      return user.id;
    case "username":
      return user.username;
    case "email":
      return user.email;
    case "emailVerified":
      return user.emailVerifiedAt !== null;
    case "fullName":
      return user.fullName ?? undefined;
    case "roles":
      return user.roles;
    case "defaultRole":
      return user.roles.includes("ADMIN") ? "ADMIN" : "USER";
    default:
      throw new Error(`Unreachable: ${field satisfies never}`);
  }
}

function lowerCase(value: ReturnType<typeof fieldOf>): unknown {
  if (typeof value === "string") return value.toLowerCase();
  return Array.isArray(value) ? value.map((entry: string) => entry.toLowerCase()) : value;
}
