import { invalidInput } from "../../errors.js";

const MAX_ITEMS = 100;
const MAX_DEPTH = 10;

/**
 * Rejects variables that would take too much work to coerce and validate.
 * @throws BAD_USER_INPUT
 */
export function checkVariables(variables: unknown, depth = 0): void {
  if (typeof variables !== "object" || variables === null) return;
  if (depth > MAX_DEPTH) throw tooMuch(`more than ${MAX_DEPTH} levels`);
  const values = Object.values(variables);
  if (values.length > MAX_ITEMS) throw tooMuch(`a list or an object with more than ${MAX_ITEMS} items`);
  for (const value of values) checkVariables(value, depth + 1);
}

function tooMuch(what: string) {
  return invalidInput([{ field: "variables", rule: "size", message: `the variables have ${what}` }]);
}
