import { type AuthChecker, Authorized, Extensions } from "type-graphql";
import { requireRole } from "../services/sessions/viewer.js";
import type { Role } from "../storage/users.js";
import type { Context } from "./context.js";

/**
 * Declares the role that a field requires. The auth checker enforces it, and the schema shows it as `@auth(role: …)`.
 */
export function Auth(role: Role = "USER"): MethodDecorator & PropertyDecorator {
  return (target: object, property: string | symbol, descriptor?: PropertyDescriptor) => {
    for (const decorate of [Authorized<Role>(role), Extensions({ directives: { auth: { role } } })]) {
      (decorate as (...args: unknown[]) => void)(target, property, descriptor);
    }
  };
}

/** The guard. It returns true or throws: type-graphql grants access for any truthy value. */
// An arrow function, because type-graphql treats a `function` as a class.
export const authChecker: AuthChecker<Context, Role> = ({ context: { viewer } }, roles) => {
  // Every user has the role USER, so a bare `@Authorized` requires it too.
  for (const role of ["USER" as const, ...roles]) requireRole(viewer, role);
  return true;
};
