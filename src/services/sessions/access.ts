import type { Clock } from "../../clock.js";
import type { Config } from "../../config.js";
import { LatchkeyError } from "../../errors.js";
import type { Role, User } from "../../storage/users.js";
import {
  hasSecondFactor,
  needsSecondFactor,
  RECENTLY,
  reauthenticationRequired,
  requireRecent,
} from "./recent-authentication.js";
import { requireRole, type SignedInViewer, type Viewer } from "./viewer.js";

/** What a field requires of its caller. */
export interface Requirement {
  role: Role;
  /** The maximum age of the authentication, in seconds (RFC 9470). No limit without it. */
  maxAgeSeconds?: number;
  /** Whether it is open to a user who must have a second factor, and has none or has not used it in this session. */
  beforeEnrollment?: boolean;
}

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
    if (!beforeEnrollment) this.#requireFactor(signedIn);
    if (maxAgeSeconds !== undefined) requireRecent(signedIn, maxAgeSeconds, this.deps.clock.now());
    return signedIn.user;
  }

  /** Whether a user who must have a second factor has one, and has used it in this session. */
  hasRequiredFactor({ user, authentication }: SignedInViewer): boolean {
    return !this.#mustHaveFactor(user) || authentication.authenticationMethods.includes("mfa");
  }

  #mustHaveFactor({ roles }: User): boolean {
    return this.deps.requireMfa === "all" || (this.deps.requireMfa === "admins" && roles.includes("ADMIN"));
  }

  #requireFactor({ user, authentication }: SignedInViewer): void {
    if (!this.#mustHaveFactor(user)) return;
    if (!hasSecondFactor(user.mfaMethods)) {
      throw new LatchkeyError(
        "MFA_ENROLLMENT_REQUIRED",
        "Your account needs a second factor. Add an authenticator app with `startTotpEnrollment`, or a passkey with `startPasskeyRegistration`.",
      );
    }
    // A session from before the factor was added has proved only the password.
    if (!needsSecondFactor(user, authentication.authenticationMethods)) return;
    throw reauthenticationRequired(
      user,
      RECENTLY.maxAgeSeconds,
      "This session has not used your second factor yet. Call `reauthenticate`.",
    );
  }
}
