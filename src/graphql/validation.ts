import { ValidateBy, type ValidationError, validate } from "class-validator";
import { invalidInput, type Violation } from "../errors.js";

/** Text of min to max characters that both databases can hold: well-formed Unicode without NUL. */
export function IsText(min: number, max: number): PropertyDecorator {
  return ValidateBy({
    name: "text",
    validator: {
      validate: (value: unknown) =>
        typeof value === "string" &&
        value.isWellFormed() &&
        !value.includes("\0") &&
        min <= [...value].length &&
        [...value].length <= max,
      defaultMessage: (args) =>
        `${args?.property} must be ${min} to ${max} characters of well-formed text without NUL`,
    },
  });
}

/** type-graphql's validation hook: runs class-validator on each argument class. @throws BAD_USER_INPUT */
export async function validateArguments(args: unknown): Promise<void> {
  // Neither the class instance nor the value may travel in the error: one of them is a password.
  const validationError = { target: false, value: false };
  const errors = await validate(args as object, { validationError, forbidUnknownValues: false });
  if (errors.length > 0) throw invalidInput(toViolations(errors));
}

function toViolations(errors: ValidationError[], path = ""): Violation[] {
  return errors.flatMap(({ property, constraints = {}, children = [] }) => [
    ...Object.entries(constraints).map(([rule, message]) => ({ field: path + property, rule, message })),
    ...toViolations(children, `${path}${property}.`),
  ]);
}
