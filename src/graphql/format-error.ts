import { randomUUID } from "node:crypto";
import { GraphQLError, type GraphQLFormattedError } from "graphql";
import { type ErrorCode, LatchkeyError } from "../errors.js";
import { publicMessage, variableViolation } from "./error-messages.js";

/** The HTTP status of an answer without data. Any other code is a 200: the request was understood and answered. */
const HTTP_STATUS: Partial<Record<ErrorCode, number>> = {
  UNAUTHENTICATED: 401,
  INVALID_CREDENTIALS: 401,
  ACCOUNT_DISABLED: 403,
  EMAIL_NOT_VERIFIED: 403,
  MFA_REQUIRED: 403,
  MFA_ENROLLMENT_REQUIRED: 403,
  REAUTHENTICATION_REQUIRED: 401,
  FORBIDDEN: 403,
  BAD_USER_INPUT: 400,
  RATE_LIMITED: 429,
  OVERLOADED: 503,
  SERVICE_UNAVAILABLE: 503,
  INTERNAL_SERVER_ERROR: 500,
};

const MASKED_MESSAGES: Record<string, string> = {
  GRAPHQL_PARSE_FAILED: "The document is not valid GraphQL at this location.",
  GRAPHQL_VALIDATION_FAILED: "The document does not fit the schema at this location.",
  PERSISTED_QUERY_NOT_SUPPORTED: "PersistedQueryNotSupported",
  OPERATION_RESOLUTION_FAILURE: "The document has no operation of the name that was asked for.",
  BAD_REQUEST: "The request is not a GraphQL request: see https://graphql.org/learn/serving-over-http.",
};

export interface FormatErrorOptions {
  /**
   * Whether an error may quote the names in a document. They are its author's, and a password may have been typed
   * where a name belongs.
   */
  showNames: boolean;
  /** Returns the LatchkeyError that an error of another part stands for, or the error itself. */
  translate: (error: unknown) => unknown;
  /** Called with each error that is masked, and the id that the client gets instead. */
  logInternalError: (error: unknown, errorId: string) => void;
}

/** The one translation of errors for clients. */
export function createFormatError({ showNames, translate, logInternalError }: FormatErrorOptions) {
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
    const message = publicMessage(formatted.message, showNames);
    if (code === "BAD_USER_INPUT") {
      const violation = variableViolation(formatted.message, messageOf(error), showNames);
      return {
        message: message ?? `Invalid input: ${violation.message}.`,
        ...place,
        extensions: { code, violations: [{ ...violation, ...(message && { message }) }] },
      };
    }
    if (code in MASKED_MESSAGES) {
      return { message: message ?? MASKED_MESSAGES[code]!, ...place, extensions: { code: toOurCode(code) } };
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

/** The error a resolver threw. graphql-js wraps it, and wraps it twice when it is not an Error of this realm. */
function causeOf(thrown: unknown): unknown {
  const error = thrown instanceof GraphQLError ? (thrown.originalError ?? thrown) : thrown;
  return error instanceof Error && "thrownValue" in error ? error.thrownValue : error;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : "";
}

/** Apollo's code for an error. Some errors about variables have none. */
function codeOf({ message, extensions }: GraphQLFormattedError): string {
  if (message.startsWith("Too many errors processing variables")) return "BAD_USER_INPUT";
  // Validation allows a nullable variable for an argument with a default; a null value then fails here.
  if (/^Argument "\w+" of non-null type ".*" must not be null\.$/.test(message)) return "BAD_USER_INPUT";
  return String(extensions?.["code"]);
}

function toOurCode(code: string): string {
  return code === "OPERATION_RESOLUTION_FAILURE" ? "BAD_REQUEST" : code;
}

/** The HTTP status and headers of an answer without data. */
export function httpHeadOf(errors: readonly GraphQLFormattedError[]): {
  /** Undefined for a code that has no status of its own. */
  status: number | undefined;
  headers: Record<string, string>;
} {
  const { code, reason, maxAge, retryAfter } = errors[0]?.extensions ?? {};
  const headers: Record<string, string> = {};
  // RFC 6750, 3.1: no error attribute without a bearer token.
  const hasToken = reason !== "MISSING_TOKEN" && reason !== "UNSUPPORTED_SCHEME";
  if (code === "UNAUTHENTICATED" && hasToken) headers["www-authenticate"] = 'Bearer error="invalid_token"';
  else if (code === "UNAUTHENTICATED" || code === "INVALID_CREDENTIALS")
    headers["www-authenticate"] = "Bearer";
  else if (code === "REAUTHENTICATION_REQUIRED")
    // RFC 9470, 3.
    headers["www-authenticate"] = `Bearer error="insufficient_user_authentication", max_age=${maxAge}`;
  else if (code === "FORBIDDEN") headers["www-authenticate"] = 'Bearer error="insufficient_scope"';
  if (typeof retryAfter === "number") headers["retry-after"] = String(retryAfter);
  return { status: HTTP_STATUS[code as ErrorCode], headers };
}
