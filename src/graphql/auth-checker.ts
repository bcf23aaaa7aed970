import { type AuthChecker, Authorized, Extensions } from "type-graphql";
import { LatchkeyError, type UnauthenticatedReason } from "../errors.js";
import type { Role } from "../storage/users.js";
import type { Context } from "./context.js";

const UNAUTHENTICATED_MESSAGES: Record<UnauthenticatedReason, string> = {
  MISSING_TOKEN: "Sign in first: send the access token from `login` as `Authorization: Bearer …`.",
  INVALID_TOKEN: "The access token is not valid. Refresh it, or log in again.",
  TOKEN_EXPIRED: "The access token has expired. Refresh it, or log in again.",
  SESSION_REVOKED: "This session has ended. Log in again.",
  ACCOUNT_DISABLED: "This account has been disabled. Ask an administrator.",
};

/**
 * Declares who may read a field, once: the auth checker enforces it, and the schema shows it as
 * `@auth(role: …)`.
 */
export function Auth(role: Role = "USER"): MethodDecorator & PropertyDecorator {
  return (target: object, property: string | symbol, descriptor?: PropertyDescriptor) => {
    for (const decorate of [Authorized<Role>(role), Extensions({ directives: { auth: { role } } })]) {
      (decorate as (...args: unknown[]) => void)(target, property, descriptor);
    }
  };
}

/** The guard. It answers true or throws: whatever else it returned, type-graphql would take a truthy value for yes. */
// An arrow function: type-graphql takes a `function` for a class.
export const authChecker: AuthChecker<Context, Role> = ({ context: { viewer } }, roles) => {
  if (viewer.kind === "anonymous") {
    const { reason } = viewer;
    throw new LatchkeyError("UNAUTHENTICATED", UNAUTHENTICATED_MESSAGES[reason], { reason });
  }
  if (!roles.every((role) => viewer.user.roles.includes(role))) {
    throw new LatchkeyError("FORBIDDEN", "You are signed in, but your roles do not allow this.");
  }
  return true;
};
