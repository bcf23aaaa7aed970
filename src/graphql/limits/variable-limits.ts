import { invalidInput } from "../../errors.js";

const MAX_ITEMS = 100;
/** The most representations of entities. A gateway may send one for each object of a page and of the pages within. */
export const MAX_REPRESENTATIONS = 500;
const MAX_DEPTH = 10;

/**
 * Rejects variables that would take too much work to coerce and validate.
 * @param options.federation whether a gateway sends them
 * @throws BAD_USER_INPUT
 */
export function checkVariables(variables: unknown, { federation }: { federation: boolean }, depth = 0): void {
  if (typeof variables !== "object" || variables === null) return;
  if (depth > MAX_DEPTH) throw tooMuch(`more than ${MAX_DEPTH} levels`);
  const values = Object.values(variables);
  const maxItems = federation ? MAX_REPRESENTATIONS : MAX_ITEMS;
  if (values.length > maxItems) throw tooMuch(`a list or an object with more than ${maxItems} items`);
  for (const value of values) checkVariables(value, { federation }, depth + 1);
}

function tooMuch(what: string) {
  return invalidInput([{ field: "variables", rule: "size", message: `the variables have ${what}` }]);
}
