import { type AuthChecker, Authorized, Extensions } from "type-graphql";
import { requireRole } from "../services/sessions/viewer.js";
import type { Role } from "../storage/users.js";
import type { Context } from "./context.js";

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
  // Every user has the role USER: an `@Authorized` without a role asks for it as well.
  for (const role of ["USER" as const, ...roles]) requireRole(viewer, role);
  return true;
};
