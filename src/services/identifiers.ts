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
/** What the `EmailAddress` scalar accepts, as in HTML: no quotes, and international domains in their ASCII form. */
const PLAIN_EMAIL = /^[\w.!#$%&'*+/=?^`{|}~-]+@[a-z0-9.-]+$/;

/**
 * Normalizes a username or email address. Compatibility forms, case, surrounding spaces and invisible characters do not
 * matter: the last come along when a name is copied from an email.
 */
export function normalizeLogin(login: string): string {
  return login
    .normalize("NFKC")
    .replace(/\p{Default_Ignorable_Code_Point}/gu, "")
    .trim()
    .toLowerCase();
}

/** Whether the normalized text can be a username or email address: anything else is not looked up. */
export function isLogin(login: string): boolean {
  return LOGIN.test(login);
}

/** What is wrong with a user's names, already normalized. Undefined ones are not checked. */
export function identityViolations({
  username,
  email,
  fullName,
}: {
  username?: string | undefined;
  email?: string | undefined;
  fullName?: string | null | undefined;
}): Violation[] {
  return [
    ...(username === undefined ? [] : usernameViolations(username)),
    ...(email === undefined ? [] : emailViolations(email)),
    ...fullNameViolations(fullName ?? null),
  ];
}

/** Checks a user's names, already normalized. @throws BAD_USER_INPUT */
export function checkIdentity(names: Parameters<typeof identityViolations>[0]): void {
  const violations = identityViolations(names);
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

/** A display name may contain anything but control characters. */
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
