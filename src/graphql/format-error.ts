import { randomUUID } from "node:crypto";
import { GraphQLError, type GraphQLFormattedError } from "graphql";
import { type ErrorCode, LatchkeyError } from "../errors.js";

/** HTTP status of an answer without data. A code that is not here is 200: the request was understood and answered. */
const HTTP_STATUS: Partial<Record<ErrorCode, number>> = {
  UNAUTHENTICATED: 401,
  INVALID_CREDENTIALS: 401,
  ACCOUNT_DISABLED: 403,
  EMAIL_NOT_VERIFIED: 403,
  FORBIDDEN: 403,
  BAD_USER_INPUT: 400,
  RATE_LIMITED: 429,
  OVERLOADED: 503,
  SERVICE_UNAVAILABLE: 503,
  INTERNAL_SERVER_ERROR: 500,
};

/** What anybody may be told: nothing of what was sent is in it. */
const PLAIN_MESSAGES = [
  /^The document has more than .*\.$/,
  /^The answer could take more than \d+ bytes: ask for fewer items or fields\.$/,
  /^Must provide an operation\.$/,
  /^Must provide operation name if query contains multiple operations\.$/,
  /^Too many (validation errors|errors processing variables), error limit reached\./,
  /^GraphQL introspection is not allowed by Apollo Server, but the query contained __schema or __type\./,
];

/** What a document's author may be told of it where names are shown: those of the schema and of the document. */
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

/** Names longer than any of ours make a message that is not worth its length. */
const MAX_MESSAGE = 300;

const MASKED_MESSAGES: Record<string, string> = {
  GRAPHQL_PARSE_FAILED: "The document is not valid GraphQL at this location.",
  GRAPHQL_VALIDATION_FAILED: "The document does not fit the schema at this location.",
  PERSISTED_QUERY_NOT_SUPPORTED: "PersistedQueryNotSupported",
  OPERATION_RESOLUTION_FAILURE: "The document has no operation of the name that was asked for.",
  BAD_REQUEST: "The request is not a GraphQL request: see https://graphql.org/learn/serving-over-http.",
};

/** Told of every error that clients are not shown, with the id they are shown instead. */
export type LogInternalError = (error: unknown, errorId: string) => void;

/**
 * The one translation of errors for clients.
 * @param options.showNames whether an error may quote the names in a document: they are its author's, and a password
 *   may have been typed where a name belongs
 * @param options.translate makes a LatchkeyError of what other parts throw, where there is one for it
 */
export function createFormatError({
  showNames,
  translate,
  logInternalError,
}: {
  showNames: boolean;
  translate: (error: unknown) => unknown;
  logInternalError: LogInternalError;
}) {
  const tellable = showNames ? [...PLAIN_MESSAGES, ...MESSAGES_WITH_NAMES] : PLAIN_MESSAGES;

  return (formatted: GraphQLFormattedError, thrown: unknown): GraphQLFormattedError => {
    const place = {
      ...(formatted.locations && { locations: formatted.locations }),
      ...(formatted.path && { path: formatted.path }),
    };
    const error = translate(causeOf(thrown));
    if (error instanceof LatchkeyError) {
      return { message: error.message, ...place, extensions: { code: error.code, ...error.details } };
    }
    const code = codeOf(formatted);
    const told = withoutValues(inOurWords(formatted.message), tellable);
    if (code === "BAD_USER_INPUT") return { ...coercionError(formatted.message, told, showNames), ...place };
    if (code in MASKED_MESSAGES) {
      return { message: told ?? MASKED_MESSAGES[code]!, ...place, extensions: { code: toOurCode(code) } };
    }
    const errorId = randomUUID();
    logInternalError(error, errorId);
    return {
      message: "Something failed on the server. Quote the error id when you report it.",
      ...place,
      extensions: { code: "INTERNAL_SERVER_ERROR", errorId },
    };
  };
}

/** What a resolver threw; graphql-js wraps it, once more when it is not of this realm's Error. */
function causeOf(thrown: unknown): unknown {
  const error = thrown instanceof GraphQLError ? (thrown.originalError ?? thrown) : thrown;
  return error instanceof Error && "thrownValue" in error ? error.thrownValue : error;
}

/** The code Apollo gives an error; it forgets those for some that are about variables. */
function codeOf({ message, extensions }: GraphQLFormattedError): string {
  if (message.startsWith("Too many errors processing variables")) return "BAD_USER_INPUT";
  // A nullable variable may stand where an argument has a default, but not with null.
  if (/^Argument "\w+" of non-null type ".*" must not be null\.$/.test(message)) return "BAD_USER_INPUT";
  return String(extensions?.["code"]);
}

function toOurCode(code: string): string {
  return code === "OPERATION_RESOLUTION_FAILURE" ? "BAD_REQUEST" : code;
}

function inOurWords(message: string): string {
  return message.replace(
    /^Syntax Error: Document contains more that (\d+) tokens\..*/,
    "The document has more than $1 tokens.",
  );
}

/** The HTTP status and headers that go with errors when the answer carries no data. */
export function httpHeadOf(errors: readonly GraphQLFormattedError[]): {
  /** Undefined for a code without one of its own. */
  status: number | undefined;
  headers: Record<string, string>;
} {
  const { code, reason, retryAfter } = errors[0]?.extensions ?? {};
  const headers: Record<string, string> = {};
  // RFC 6750, 3: no error attribute for a request that brought no token.
  if (code === "UNAUTHENTICATED" && reason !== "MISSING_TOKEN")
    headers["www-authenticate"] = 'Bearer error="invalid_token"';
  else if (code === "UNAUTHENTICATED" || code === "INVALID_CREDENTIALS")
    headers["www-authenticate"] = "Bearer";
  else if (code === "FORBIDDEN") headers["www-authenticate"] = 'Bearer error="insufficient_scope"';
  if (typeof retryAfter === "number") headers["retry-after"] = String(retryAfter);
  return { status: HTTP_STATUS[code as ErrorCode], headers };
}

/** graphql-js quotes the whole variable in its message, a password too. */
function coercionError(message: string, told: string | undefined, showNames: boolean): GraphQLFormattedError {
  const name = showNames ? /^Variable "\$(\w{1,64})"/.exec(message)?.[1] : undefined;
  const field = name ?? "variables";
  const violation = {
    field,
    rule: "type",
    message: told ?? `${field} ${name ? "is" : "are"} not of the type the schema asks for`,
  };
  return {
    message: told ?? `Invalid input: ${violation.message}.`,
    extensions: { code: "BAD_USER_INPUT", violations: [violation] },
  };
}

function withoutValues(message: string, patterns: readonly RegExp[]): string | undefined {
  if (message.length > MAX_MESSAGE) return undefined;
  for (const pattern of patterns) {
    const match = pattern.exec(message);
    // Only what the pattern vouches for, but with suggestions: they are names of the schema.
    if (match) return /^[^:;]*$/.test(message) ? message : match[0];
  }
  return undefined;
}
