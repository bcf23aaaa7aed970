import type { ClaimField, ClaimSettings, ClaimTemplate } from "../../config.js";
import type { User } from "../../storage/users.js";
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
  template: ClaimSettings["claims"];
}

/** Derives claims from users. */
export class Claims {
  constructor(private readonly deps: ClaimsDeps) {}

  of(user: User): UserClaims {
    const { scopes, template } = this.deps;
    return {
      ...(render(template, user) as Record<string, unknown>),
      roles: user.roles,
      scope: scopes.of(user.roles).join(" "),
    };
  }
}

/** Undefined for a field that the user has no value for: the claim is left out. */
function render(template: ClaimTemplate, user: User): unknown {
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

function fieldOf(user: User, field: ClaimField): string | boolean | readonly string[] | undefined {
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
