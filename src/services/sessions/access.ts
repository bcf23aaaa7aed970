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

  /** Whether nothing is missing that REQUIRE_MFA asks of the user and of this session. */
  hasRequiredFactor(viewer: SignedInViewer): boolean {
    return this.#missing(viewer) === undefined;
  }

  /** The factor itself, or in a session from before it was added, its use. */
  #missing({ user, authentication }: SignedInViewer): "factor" | "use" | undefined {
    const { requireMfa } = this.deps;
    const isRequired = requireMfa === "all" || (requireMfa === "admins" && user.roles.includes("ADMIN"));
    if (!isRequired) return undefined;
    if (!hasSecondFactor(user.mfaMethods)) return "factor";
    return needsSecondFactor(user, authentication.authenticationMethods) ? "use" : undefined;
  }

  #requireFactor(viewer: SignedInViewer): void {
    const missing = this.#missing(viewer);
    switch (missing) {
      case undefined:
        return;
      case "factor":
        throw new LatchkeyError(
          "MFA_ENROLLMENT_REQUIRED",
          "Your account needs a second factor. Add an authenticator app with `startTotpEnrollment`, or a passkey with `startPasskeyRegistration`.",
        );
      case "use":
        throw reauthenticationRequired(
          viewer.user,
          RECENTLY.maxAgeSeconds,
          "This session has not used your second factor yet. Call `reauthenticate`.",
        );
      default:
        throw new Error(`Unreachable: ${missing satisfies never}`);
    }
  }
}
