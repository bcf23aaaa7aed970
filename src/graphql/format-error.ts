import { randomUUID } from "node:crypto";
import { unwrapResolverError } from "@apollo/server/errors";
import type { GraphQLFormattedError } from "graphql";
import { type ErrorCode, LatchkeyError } from "../errors.js";

/** HTTP status of an answer without data. A code that is not here is 200: the request was understood and answered. */
const HTTP_STATUS: Partial<Record<ErrorCode, number>> = {
  UNAUTHENTICATED: 401,
  INVALID_CREDENTIALS: 401,
  ACCOUNT_DISABLED: 403,
  EMAIL_NOT_VERIFIED: 403,
  FORBIDDEN: 403,
  BAD_USER_INPUT: 400,
  OVERLOADED: 503,
  BAD_REQUEST: 400,
  INTERNAL_SERVER_ERROR: 500,
};

/** What a document's author may be told of it: names of the schema and of the document, never a value. */
const MESSAGES_WITHOUT_VALUES = [
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
  /^Must provide an operation\./,
  /^GraphQL introspection is not allowed by Apollo Server, but the query contained __schema or __type\./,
];

const MASKED_MESSAGES: Record<string, string> = {
  GRAPHQL_PARSE_FAILED: "The document is not valid GraphQL at this location.",
  GRAPHQL_VALIDATION_FAILED: "The document does not fit the schema at this location.",
  BAD_REQUEST: "The request is not a GraphQL request: see https://graphql.org/learn/serving-over-http.",
};

/** Told of every error that clients are not shown, with the id they are shown instead. */
export type LogInternalError = (error: unknown, errorId: string) => void;

/** The one translation of errors for clients. */
export function createFormatError(logInternalError: LogInternalError) {
  return (formatted: GraphQLFormattedError, thrown: unknown): GraphQLFormattedError => {
    const place = {
      ...(formatted.locations && { locations: formatted.locations }),
      ...(formatted.path && { path: formatted.path }),
    };
    const error = unwrapResolverError(thrown);
    if (error instanceof LatchkeyError) {
      return { message: error.message, ...place, extensions: { code: error.code, ...error.details } };
    }
    const code = formatted.extensions?.["code"];
    if (code === "BAD_USER_INPUT") return { ...fromCoercionError(formatted.message), ...place };
    if (code === "OPERATION_RESOLUTION_FAILURE") {
      // graphql-js quotes the name that was sent.
      const message = "Name one of the document's operations in `operationName`.";
      return { message, ...place, extensions: { code: "BAD_REQUEST" } };
    }
    if (typeof code === "string" && code in MASKED_MESSAGES) {
      const message = withoutValues(formatted.message) ?? MASKED_MESSAGES[code]!;
      return { message, ...place, extensions: { code } };
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

/** The HTTP status and headers that go with errors when the answer carries no data. */
export function httpHeadOf(errors: readonly GraphQLFormattedError[]): {
  status: number;
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
  return { status: HTTP_STATUS[code as ErrorCode] ?? 200, headers };
}

/** graphql-js quotes the whole variable in its message, a password too. */
function fromCoercionError(message: string): GraphQLFormattedError {
  const safe = withoutValues(message);
  const field = /^Variable "\$(\w+)"/.exec(message)?.[1] ?? "variables";
  const violation = {
    field,
    rule: "type",
    message: safe ?? `${field} is not of the type the schema asks for`,
  };
  return {
    message: safe ?? `Invalid input: ${violation.message}.`,
    extensions: { code: "BAD_USER_INPUT", violations: [violation] },
  };
}

function withoutValues(message: string): string | undefined {
  for (const pattern of MESSAGES_WITHOUT_VALUES) {
    const match = pattern.exec(message);
    // Only what the pattern vouches for, but with suggestions: they are names of the schema.
    if (match) return /^[^:;]*$/.test(message) ? message : match[0];
  }
  return undefined;
}
