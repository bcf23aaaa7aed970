import type { Role } from "../storage/users.js";

export interface ScopesDeps {
  userScopes: readonly string[];
  /** Of administrators, beside those of users. */
  adminScopes: readonly string[];
}

/** What roles allow, as scopes (RFC 6749, 3.3). */
export class Scopes {
  readonly #ofRole: Record<Role, readonly string[]>;

  constructor({ userScopes, adminScopes }: ScopesDeps) {
    this.#ofRole = { USER: userScopes, ADMIN: adminScopes };
  }

  /** All scopes that a role has. */
  get all(): readonly string[] {
    return this.of(["USER", "ADMIN"]);
  }

  of(roles: readonly Role[]): readonly string[] {
    return [...new Set(roles.flatMap((role) => this.#ofRole[role]))];
  }
}
