import type { FastifyRequest } from "fastify";
import { OAuthError } from "./errors.js";

/** The parameters of a request, by name. */
export type Form = Readonly<Record<string, string | undefined>>;

/** @throws OAuthError invalid_request for a parameter that was sent more than once (RFC 6749, 3.2) */
export function readForm(request: FastifyRequest): Form {
  const form = (request.body ?? {}) as Record<string, string | string[]>;
  if (Object.values(form).some((value) => typeof value !== "string")) {
    throw new OAuthError("invalid_request", "A parameter was sent more than once.");
  }
  return form as Form;
}

/** @throws OAuthError invalid_request when the parameter is missing or empty */
export function required(form: Form, name: string): string {
  const value = form[name];
  if (value === undefined || value === "") throw new OAuthError("invalid_request", `${name} is missing.`);
  return value;
}
