import { ValidateBy } from "class-validator";
import { readAssertion, readAttestation } from "../crypto/passkey-responses.js";

/** Issued challenges have 43 characters. Any other text up to the limit is looked up too, and not found. */
export const CHALLENGE = [1, 200] as const;

/** The JSON of what `navigator.credentials.get` returned: `readAssertion` reads it. */
export const IsAssertion = () => isResponse("get", readAssertion);

/** The JSON of what `navigator.credentials.create` returned: `readAttestation` reads it. */
export const IsAttestation = () => isResponse("create", readAttestation);

function isResponse(method: "get" | "create", read: (value: unknown) => unknown): PropertyDecorator {
  return ValidateBy({
    name: "passkey",
    validator: {
      validate: (value: unknown) => read(value) !== undefined,
      defaultMessage: (args) =>
        `${args?.property} must be the toJSON() of what navigator.credentials.${method} returned`,
    },
  });
}
