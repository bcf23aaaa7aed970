import { IsUUID, ValidateBy, type ValidationError, validate } from "class-validator";
import { invalidInput, LatchkeyError, type Violation } from "../errors.js";
import { jsonBytesOf, type TextLimits } from "./limits/max-size.js";

/** A text within these limits that both databases can store: well-formed Unicode without NUL. */
export function IsText(...[min, max, maxBytes]: TextLimits): PropertyDecorator {
  return ValidateBy({
    name: "text",
    validator: {
      validate: (value: unknown) =>
        typeof value === "string" &&
        value.isWellFormed() &&
        !value.includes("\0") &&
        min <= [...value].length &&
        [...value].length <= max &&
        (maxBytes === undefined || jsonBytesOf(value) <= maxBytes),
      defaultMessage: (args) =>
        `${args?.property} must be ${min} to ${max} characters of well-formed text without NUL${
          maxBytes === undefined ? "" : `, and at most ${maxBytes} bytes as JSON`
        }`,
    },
  });
}

/** The id arguments of all argument classes, with the prototype that declares them. */
const idArguments: { prototype: object; property: PropertyKey }[] = [];

/** A UUID. Its case does not matter (RFC 9562, 4): the resolver gets it in lower case. */
export function IsId(): PropertyDecorator {
  return (prototype, property) => {
    IsUUID()(prototype, property);
    idArguments.push({ prototype, property });
  };
}

/**
 * type-graphql's validation hook: runs class-validator on each argument class, and converts ids to lower case.
 * @throws BAD_USER_INPUT
 */
export async function validateArguments(args: unknown): Promise<void> {
  // The error must contain neither the instance nor the value: either can hold a password.
  const validationError = { target: false, value: false };
  const errors = await validate(args as object, { validationError, forbidUnknownValues: false });
  if (errors.length > 0) throw invalidInput(toViolations(errors));
  for (const { prototype, property } of idArguments) {
    if (!Object.prototype.isPrototypeOf.call(prototype, args as object)) continue;
    const values = args as Record<PropertyKey, unknown>;
    const id = values[property];
    if (typeof id === "string") values[property] = id.toLowerCase();
  }
}

/** Prefixes the fields that a service's error names with `input.`, where the caller finds them. */
export async function ofInput<T>(work: Promise<T>): Promise<T> {
  return work.catch((error: unknown) => {
    if (!(error instanceof LatchkeyError)) throw error;
    const { field, violations } = error.details as { field?: string; violations?: Violation[] };
    if (error.code === "BAD_USER_INPUT" && violations !== undefined) {
      throw invalidInput(
        violations.map((violation) => ({ ...violation, field: `input.${violation.field}` })),
      );
    }
    if (error.code === "CONFLICT") {
      throw new LatchkeyError("CONFLICT", error.message, { field: `input.${field}` });
    }
    throw error;
  });
}

function toViolations(errors: ValidationError[], path = ""): Violation[] {
  return errors.flatMap(({ property, constraints = {}, children = [] }) => [
    ...Object.entries(constraints).map(([rule, message]) => ({ field: path + property, rule, message })),
    ...toViolations(children, `${path}${property}.`),
  ]);
}
