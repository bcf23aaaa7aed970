import { isEmail } from "class-validator";
import { invalidInput, type Violation } from "../errors.js";

/** Characters: the fewest and the most. */
export const USERNAME_LENGTH = [3, 32] as const;
export const FULL_NAME_LENGTH = [1, 200] as const;
/** The most characters of a username or email address to log in with: RFC 5321's longest address, and the @. */
export const MAX_LOGIN_LENGTH = 320;

const USERNAME = new RegExp(`^[a-z0-9._-]{${USERNAME_LENGTH}}$`);
const FULL_NAME = new RegExp(`^\\P{C}{${FULL_NAME_LENGTH}}$`, "u");
const LOGIN = new RegExp(`^[^\\s\\p{C}]{1,${MAX_LOGIN_LENGTH}}$`, "u");
/** What can be answered as an `EmailAddress`, HTML's: no quotes, and an international domain in its ASCII form. */
const PLAIN_EMAIL = /^[\w.!#$%&'*+/=?^`{|}~-]+@[a-z0-9.-]+$/;

/**
 * One spelling for everything that names an account: compatibility forms, spaces and case do not count, nor do
 * characters that are not seen, as in a name that was copied out of an email.
 */
export function normalizeLogin(login: string): string {
  return login
    .normalize("NFKC")
    .replace(/\p{Default_Ignorable_Code_Point}/gu, "")
    .trim()
    .toLowerCase();
}

/** Whether the text can be a login at all: what is not is nobody's, and is not asked of the database. */
export function isLogin(login: string): boolean {
  return LOGIN.test(login);
}

/**
 * Checks what a user is known by, already normalized; what is undefined is not checked.
 * @throws BAD_USER_INPUT
 */
export function checkIdentity({
  username,
  email,
  fullName,
}: {
  username?: string | undefined;
  email?: string | undefined;
  fullName?: string | null | undefined;
}): void {
  const violations = [
    ...(username === undefined ? [] : usernameViolations(username)),
    ...(email === undefined ? [] : emailViolations(email)),
    ...fullNameViolations(fullName ?? null),
  ];
  if (violations.length > 0) throw invalidInput(violations);
}

function usernameViolations(username: string): Violation[] {
  if (USERNAME.test(username)) return [];
  return [
    {
      field: "username",
      rule: "username",
      message: `username must be ${USERNAME_LENGTH.join(" to ")} characters from a-z, 0-9, dot, underscore and hyphen`,
    },
  ];
}

/** @param email already normalized */
export function emailViolations(email: string): Violation[] {
  if (PLAIN_EMAIL.test(email) && isEmail(email)) return [];
  return [{ field: "email", rule: "email", message: "email must be an email address" }];
}

/** A display name, free but for its length and control characters */
function fullNameViolations(fullName: string | null): Violation[] {
  if (fullName === null || FULL_NAME.test(fullName)) return [];
  return [
    {
      field: "fullName",
      rule: "fullName",
      message: `fullName must be ${FULL_NAME_LENGTH.join(" to ")} printable characters`,
    },
  ];
}
