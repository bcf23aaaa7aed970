/**
 * The error codes clients may rely on: a closed list, which is part of the API.
 * The text says when a code is given; it is also the code's description in the schema.
 */
export const ERROR_CODES = {
  UNAUTHENTICATED: "No usable access token came with the request; `extensions.reason` says why.",
  INVALID_CREDENTIALS: "The username or the password is wrong.",
  ACCOUNT_DISABLED: "The password is right, but the account has been disabled.",
  EMAIL_NOT_VERIFIED: "The password is right, but the email address has not been verified yet.",
  FORBIDDEN: "The caller is signed in, but may not do this.",
  BAD_USER_INPUT: "An argument or variable is not valid; `extensions.violations` says which and how.",
  INVALID_TOKEN: "A refresh token, or a token from an email, that is unknown, used or expired.",
  NOT_FOUND: "There is no such object, or it belongs to somebody else.",
  CONFLICT: "The value is already in use.",
  LIMIT_REACHED: "The user has as many of these as one may have: delete one first.",
  RATE_LIMITED:
    "Too many attempts: try again after `extensions.retryAfter` seconds, or, after very many failures, with a new password or from where you have signed in before.",
  OVERLOADED: "Too many passwords are being checked; try again after `extensions.retryAfter` seconds.",
  SERVICE_UNAVAILABLE:
    "The service cannot reach what it needs; try again after `extensions.retryAfter` seconds. Nothing was changed, or it was and the answer got lost.",
  GRAPHQL_PARSE_FAILED: "The document is not GraphQL, or has too many tokens.",
  GRAPHQL_VALIDATION_FAILED: "The document does not fit the schema, or is over a limit.",
  PERSISTED_DOCUMENT_NOT_FOUND: "Only the persisted documents are run, and the request names none of them.",
  PERSISTED_QUERY_NOT_SUPPORTED: "Automatic persisted queries are off: send the document.",
  BAD_REQUEST: "The HTTP request is not a GraphQL request.",
  INTERNAL_SERVER_ERROR: "Something failed on the server; its log has `extensions.errorId`.",
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** Why a request is not authenticated: `extensions.reason` of `UNAUTHENTICATED`. */
export const UNAUTHENTICATED_REASONS = {
  MISSING_TOKEN: "The request has no bearer token in its `Authorization` header.",
  UNSUPPORTED_SCHEME: "The `Authorization` header is not `Bearer`, a space and a token.",
  INVALID_TOKEN: "The token is malformed, was not issued here or for this audience, or its user is gone.",
  TOKEN_EXPIRED: "The token has expired: refresh it, or log in again.",
  SESSION_REVOKED: "The session of the token has ended: log in again.",
  ACCOUNT_DISABLED: "The account has been disabled.",
} as const;

export type UnauthenticatedReason = keyof typeof UNAUTHENTICATED_REASONS;

/** One broken rule of one input: the field's path, the rule's name, and what to do. Never the value. */
export interface Violation {
  field: string;
  rule: string;
  message: string;
}

interface ErrorDetails {
  UNAUTHENTICATED: { reason: UnauthenticatedReason };
  BAD_USER_INPUT: { violations: Violation[] };
  CONFLICT: { field: string };
  /** Seconds to wait before the next try. */
  RATE_LIMITED: { retryAfter: number };
  OVERLOADED: { retryAfter: number };
  SERVICE_UNAVAILABLE: { retryAfter: number };
}

type DetailsOf<C extends ErrorCode> = C extends keyof ErrorDetails
  ? [details: ErrorDetails[C]]
  : [details?: Record<string, never>];

/**
 * An error a client may see: a stable code, a message that names what to do, and the details that
 * the code promises. Anything thrown that is not a LatchkeyError is masked as INTERNAL_SERVER_ERROR.
 */
export class LatchkeyError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name = "LatchkeyError";
  readonly code: C;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: C, message: string, ...[details]: DetailsOf<C>) {
    super(message);
    this.code = code;
    this.details = details ?? {};
  }
}

/** Whether what was thrown is a LatchkeyError of this code. */
export function hasCode(error: unknown, code: ErrorCode): boolean {
  return error instanceof LatchkeyError && error.code === code;
}

/** A BAD_USER_INPUT for rules that are checked by a service rather than on the argument class. */
export function invalidInput(violations: Violation[]): LatchkeyError<"BAD_USER_INPUT"> {
  const what = violations.map(({ message }) => message).join("; ");
  return new LatchkeyError("BAD_USER_INPUT", `Invalid input: ${what}.`, { violations });
}
