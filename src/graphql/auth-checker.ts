import { type AuthChecker, Authorized, Extensions } from "type-graphql";
import type { Access, Requirement } from "../services/sessions/access.js";
import { RECENTLY } from "../services/sessions/recent-authentication.js";
import type { Role } from "../storage/users.js";
import type { Context } from "./context.js";

/** For adding a second factor, also for a user who must have one and has none. */
export const ENROLLING = { ...RECENTLY, beforeEnrollment: true };

/**
 * Declares what a field requires of its caller. The auth checker enforces it, and the schema shows it as
 * `@auth(role: …, maxAgeSeconds: …)`.
 */
export function Auth(
  role: Role = "USER",
  options: Omit<Requirement, "role"> = {},
): MethodDecorator & PropertyDecorator {
  const requirement: Requirement = { role, ...options };
  const { maxAgeSeconds } = options;
  const auth = { role, ...(maxAgeSeconds !== undefined && { maxAgeSeconds }) };
  return (target: object, property: string | symbol, descriptor?: PropertyDescriptor) => {
    for (const decorate of [Authorized<Requirement>(requirement), Extensions({ directives: { auth } })]) {
      (decorate as (...args: unknown[]) => void)(target, property, descriptor);
    }
  };
}

/** Who may use a field with `@auth`, as a sentence. */
export function describeRequirement({ role, maxAgeSeconds }: Requirement): string {
  const who = { USER: "a signed-in user", ADMIN: "a user with the role `ADMIN`" }[role];
  const when = maxAgeSeconds && ` who authenticated within the last ${maxAgeSeconds / 60} minutes`;
  return `Requires ${who}${when ?? ""}.`;
}

/**
 * The guard. It returns true or throws: type-graphql grants access for any truthy value. It must be an arrow function,
 * because type-graphql treats a `function` as a class.
 */
export const authCheckerOf =
  (access: Access): AuthChecker<Context, Requirement> =>
  ({ context: { viewer } }, requirements) => {
    // A bare `@Authorized` requires a user.
    for (const requirement of requirements.length > 0 ? requirements : [{ role: "USER" } as const])
      access.require(viewer, requirement);
    return true;
  };
