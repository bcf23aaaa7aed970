import type { Clock, NewId } from "../../clock.js";
import { LatchkeyError } from "../../errors.js";
import type { Database } from "../../storage/database.js";
import { findUserByUsername, insertUser, ROLES, type Role, type User } from "../../storage/users.js";
import { normalizeLogin } from "../identifiers.js";

export interface NewAccount {
  username: string;
  email: string;
  fullName: string | null;
  /** USER is added when it is missing. */
  roles?: readonly Role[] | undefined;
}

/**
 * Makes a user, not yet stored and not checked: see `identityViolations`.
 * @param options.verified whether somebody vouches for the email address
 */
export function newUser(
  { username, email, fullName, roles = [] }: NewAccount,
  { clock, newId, verified }: { clock: Clock; newId: NewId; verified: boolean },
): User {
  const now = clock.now();
  return {
    id: newId(),
    username: normalizeLogin(username),
    email: normalizeLogin(email),
    emailVerifiedAt: verified ? now : null,
    fullName,
    disabledAt: null,
    roles: withUserRole(roles),
    createdAt: now,
    updatedAt: now,
    mfaMethods: [],
  };
}

/** Stores a new user. @throws CONFLICT for a taken username or verified email address */
export async function addUser(transaction: Database, user: User): Promise<void> {
  if (await insertUser(transaction, user)) return;
  throw nameTaken((await findUserByUsername(transaction, user.username)) ? "username" : "email");
}

/** The roles in their one order, with USER, which every user has. */
export function withUserRole(roles: readonly Role[]): Role[] {
  return ROLES.filter((role) => role === "USER" || roles.includes(role));
}

/** The error for a username or email address that another account has. */
export function nameTaken(field: "username" | "email"): LatchkeyError<"CONFLICT"> {
  return new LatchkeyError("CONFLICT", `This ${field} is already in use.`, { field });
}
