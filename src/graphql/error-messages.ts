import type { Violation } from "../errors.js";

/** Messages of graphql-js and Apollo Server that do not say what to do, and what is said instead. */
const REWORDED: [message: RegExp, instead: string][] = [
  [/^Syntax Error: Document contains more that (\d+) tokens\..*/, "The document has more than $1 tokens."],
  [
    /^This operation has been blocked as a potential Cross-Site Request Forgery.*/s,
    "Send `Content-Type: application/json`, with a GET too: pages of other sites cannot send it unasked.",
  ],
  [
    /^GraphQL operations must contain a non-empty `query`.*/,
    "The request has no document: send it as `query`, in the JSON body of a POST or in the URL of a GET.",
  ],
  [/^An 'accept' header .*/, "Accept application/json or application/graphql-response+json."],
  [/^POST body missing, .*/, "Send a JSON object with the document as `query`."],
  [/^Operation batching disabled\./, "Send one operation in a request: batches are not run."],
  [/^GraphQL queries must be strings\..*/s, "`query` must be a string."],
];

/** Messages that quote nothing of the request: every client may read them. */
const PLAIN_MESSAGES = [
  /^The document has more than .*\.$/,
  /^The answer could take more than \d+ bytes: ask for fewer items or fields\.$/,
  /^Must provide an operation\.$/,
  /^Must provide operation name if query contains multiple operations\.$/,
  /^Too many (validation errors|errors processing variables), error limit reached\./,
  /^GraphQL introspection is not allowed by Apollo Server, but the query contained __schema or __type\./,
  /^`(variables|extensions|operationName)` in a POST body (must|should) [\w ,-]+\.$/,
  /^The '(query|operationName|variables|extensions)' search parameter may only be specified once\.$/,
  /^The (variables|extensions) search parameter (contains invalid JSON|should contain a JSON-encoded object)\.$/,
  /^GET requests only support query operations, not (mutation|subscription) operations$/,
  /^GET requests may not have a content-type header other than application\/json\.$/,
];

/** Messages that quote names of the schema and of the document, for its author. */
const MESSAGES_WITH_NAMES = [
  /^Cannot query field "\w+" on type "\w+"\./,
  /^Unknown (argument|type|fragment|directive|field) "@?\w+"[^:]*?\./,
  /^Field "[\w.]+"( argument "\w+")? of (required )?type "[\w![\]]+" (is required, but it was not provided|was not provided|must have a selection of subfields|must not have a selection)/,
  /^Field "\w+" must not have a selection since type "[\w![\]]+" has no subfields\./,
  /^Field "[\w.]+" is not defined by type "\w+"\./,
  /^Variable "\$\w+" (is not defined|is never used)/,
  /^Variable "\$\w+" of type "[\w![\]]+" used in position expecting type "[\w![\]]+"\./,
  /^Variable "\$\w+" of required type "[\w![\]]+" was not provided\./,
  /^Variable "\$\w+" of non-null type "[\w![\]]+" must not be null\./,
  /^Fragment "\w+" is never used\./,
  /^There can be only one \w+ named "[$@]?\w+"\./,
  /^The schema has no subscription\./,
];

/** A longer message quotes names longer than any of the schema's. */
const MAX_MESSAGE = 300;

/**
 * The text of an error of graphql-js or Apollo Server for clients. It quotes no value.
 * @param showNames whether it may quote names
 * @returns undefined when the message must be masked
 */
export function publicMessage(message: string, showNames: boolean): string | undefined {
  for (const [pattern, instead] of REWORDED)
    if (pattern.test(message)) return message.replace(pattern, instead);
  if (message.length > MAX_MESSAGE) return undefined;
  for (const pattern of showNames ? [...PLAIN_MESSAGES, ...MESSAGES_WITH_NAMES] : PLAIN_MESSAGES) {
    const match = pattern.exec(message);
    // Suggestions, which follow some patterns, are names of the schema. Anything after a colon may be a value.
    if (match) return /^[^:;]*$/.test(message) ? message : match[0];
  }
  return undefined;
}

/**
 * What is wrong with a variable. graphql-js quotes the whole value in its message, passwords included.
 * @param message graphql-js's own
 * @param cause the message about the part of the value that is wrong, which ends `message`
 */
export function variableViolation(message: string, cause: string, showNames: boolean): Violation {
  const path = showNames ? pathOf(message, cause) : undefined;
  if (path === undefined) {
    return { field: "variables", rule: "type", message: "variables are not of the type the schema asks for" };
  }
  return (
    missingField(path, cause) ??
    unknownField(path, cause) ?? {
      field: path,
      rule: "type",
      message: `${path} is not of the type the schema asks for`,
    }
  );
}

/** The path to the wrong part: the variable's name, fields of the schema and positions in lists. */
function pathOf(message: string, cause: string): string | undefined {
  const place = message.endsWith(`; ${cause}`) ? message.slice(0, -`; ${cause}`.length) : message;
  // Before it stands the value, in whose quotes a quotation mark is escaped.
  return / at "(\w[\w.[\]]*)"$/.exec(place)?.[1] ?? /^Variable "\$(\w{1,64})"/.exec(message)?.[1];
}

function missingField(path: string, cause: string): Violation | undefined {
  const [, name, type] =
    /^Field "(\w+)" of required type "([\w![\]]+)" was not provided\.$/.exec(cause) ?? [];
  if (name === undefined) return undefined;
  const field = `${path}.${name}`;
  return { field, rule: "required", message: `${field} (${type}) is required` };
}

function unknownField(path: string, cause: string): Violation | undefined {
  const [, name, type, suggestions] =
    /^Field "(\w{1,64})" is not defined by type "(\w+)"\.(?: Did you mean ([\w", ]+)\?)?$/.exec(cause) ?? [];
  if (name === undefined) return undefined;
  const field = `${path}.${name}`;
  const hint = suggestions === undefined ? "" : ` (did you mean ${suggestions.replaceAll('"', "")}?)`;
  return { field, rule: "unknown", message: `${field} is not a field of ${type}${hint}` };
}
