import { CLOCK_TOLERANCE, SECOND } from "../../clock.js";
import { LatchkeyError } from "../../errors.js";
import type { Authentication, AuthenticationMethod } from "../../storage/sessions.js";
import type { MfaMethod, User } from "../../storage/users.js";

/** For changes that could lock a user out, or that an administrator makes: ten minutes, in seconds. */
export const RECENTLY = { maxAgeSeconds: 600 };

/** How a user can reauthenticate. */
export const REAUTHENTICATION_METHODS = ["PASSWORD", "TOTP", "PASSKEY"] as const;
export type ReauthenticationMethod = (typeof REAUTHENTICATION_METHODS)[number];

/** Whether a password is not enough to sign in. */
export function hasSecondFactor(methods: readonly MfaMethod[]): boolean {
  return methods.some((method) => method !== "RECOVERY_CODE");
}

/** Whether a user who proved who they are by these methods must prove a second factor too. */
export function needsSecondFactor({ mfaMethods }: User, methods: readonly AuthenticationMethod[]): boolean {
  return hasSecondFactor(mfaMethods) && !methods.includes("mfa");
}

/**
 * Requires a recent authentication (RFC 9470), which has used a second factor if the user has one.
 * @throws REAUTHENTICATION_REQUIRED
 */
export function requireRecent(
  { user, authentication }: { user: User; authentication: Authentication },
  maxAgeSeconds: number,
  now: number,
): void {
  const age = now - authentication.authenticatedAt;
  // An authentication from the future was recorded while the clock was wrong.
  const isRecent = age >= -CLOCK_TOLERANCE && age <= maxAgeSeconds * SECOND;
  if (isRecent && !needsSecondFactor(user, authentication.authenticationMethods)) return;
  throw reauthenticationRequired(
    user,
    maxAgeSeconds,
    `This requires an authentication in the last ${maxAgeSeconds / 60} minutes, with a second factor if you have one. Call \`reauthenticate\`.`,
  );
}

export function reauthenticationRequired(
  { mfaMethods }: User,
  maxAge: number,
  message: string,
): LatchkeyError<"REAUTHENTICATION_REQUIRED"> {
  const methods = hasSecondFactor(mfaMethods)
    ? REAUTHENTICATION_METHODS.filter((method) => method !== "PASSWORD" && mfaMethods.includes(method))
    : ["PASSWORD"];
  return new LatchkeyError("REAUTHENTICATION_REQUIRED", message, { maxAge, methods });
}
