import { CLOCK_TOLERANCE, type Clock, SECOND } from "../../clock.js";
import type { Config } from "../../config.js";
import { LatchkeyError } from "../../errors.js";
import type { AuthenticationMethod } from "../../storage/sessions.js";
import type { MfaMethod, Role, User } from "../../storage/users.js";
import { requireRole, type Viewer } from "./viewer.js";

/** What a field requires of its caller. */
export interface Requirement {
  role: Role;
  /** The maximum age of the authentication, in seconds (RFC 9470). No limit without it. */
  maxAgeSeconds?: number;
  /** Whether it is open to a user who must have a second factor and has none. */
  beforeEnrollment?: boolean;
}

/** How a user can reauthenticate. */
export const REAUTHENTICATION_METHODS = ["PASSWORD", "TOTP", "PASSKEY"] as const;
export type ReauthenticationMethod = (typeof REAUTHENTICATION_METHODS)[number];

export interface AccessDeps {
  clock: Clock;
  /** Who must have a second factor. */
  requireMfa: Config["requireMfa"];
}

/** The one decision whether a caller may use a field or an endpoint. */
export class Access {
  constructor(private readonly deps: AccessDeps) {}

  /** @throws UNAUTHENTICATED, FORBIDDEN, MFA_ENROLLMENT_REQUIRED, REAUTHENTICATION_REQUIRED */
  require(viewer: Viewer, { role, maxAgeSeconds, beforeEnrollment }: Requirement): User {
    const signedIn = requireRole(viewer, role);
    const { user } = signedIn;
    if (!beforeEnrollment && this.mustEnroll(user)) {
      throw new LatchkeyError(
        "MFA_ENROLLMENT_REQUIRED",
        "Your account needs a second factor. Add an authenticator app with `startTotpEnrollment`, or a passkey with `startPasskeyRegistration`.",
      );
    }
    if (maxAgeSeconds !== undefined) this.#requireRecent(signedIn, maxAgeSeconds);
    return user;
  }

  /** Whether the user must add a second factor before they can use the account. */
  mustEnroll({ roles, mfaMethods }: User): boolean {
    const required =
      this.deps.requireMfa === "all" || (this.deps.requireMfa === "admins" && roles.includes("ADMIN"));
    return required && !hasSecondFactor(mfaMethods);
  }

  /** With a second factor, the recent authentication must have used one. */
  #requireRecent({ user, authentication }: Extract<Viewer, { kind: "user" }>, maxAge: number): void {
    const age = this.deps.clock.now() - authentication.authenticatedAt;
    // An authentication from the future was recorded while the clock was wrong.
    const isRecent = age >= -CLOCK_TOLERANCE && age <= maxAge * SECOND;
    if (isRecent && !needsSecondFactor(user, authentication.authenticationMethods)) return;
    throw new LatchkeyError(
      "REAUTHENTICATION_REQUIRED",
      `This requires an authentication in the last ${maxAge / 60} minutes, with a second factor if you have one. Call \`reauthenticate\`.`,
      { maxAge, methods: reauthenticationMethods(user) },
    );
  }
}

/** Whether a password is not enough to sign in. */
export function hasSecondFactor(methods: readonly MfaMethod[]): boolean {
  return methods.some((method) => method !== "RECOVERY_CODE");
}

/** Whether a user who proved who they are by these methods must prove a second factor too. */
export function needsSecondFactor({ mfaMethods }: User, methods: readonly AuthenticationMethod[]): boolean {
  return hasSecondFactor(mfaMethods) && !methods.includes("mfa");
}

/** With a second factor, a password is not enough. */
function reauthenticationMethods({ mfaMethods }: User): ReauthenticationMethod[] {
  if (!hasSecondFactor(mfaMethods)) return ["PASSWORD"];
  return REAUTHENTICATION_METHODS.filter((method) => method !== "PASSWORD" && mfaMethods.includes(method));
}
