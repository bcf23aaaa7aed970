/**
 * The error codes, a closed list that is part of the API. Each text is also the code's description in the schema.
 */
export const ERROR_CODES = {
  UNAUTHENTICATED: "The request has no valid access token; `extensions.reason` says why.",
  INVALID_CREDENTIALS: "The username, the password, the code or the passkey is wrong.",
  ACCOUNT_DISABLED: "The password or the passkey is correct, but the account has been disabled.",
  EMAIL_NOT_VERIFIED:
    "The password or the passkey is correct, but the email address has not been verified yet.",
  MFA_REQUIRED:
    "The password is correct, but the account has a second factor: answer the challenge in `extensions.mfa`, which has the fields of `MfaChallenge`.",
  MFA_ENROLLMENT_REQUIRED: "The account must have a second factor before it can be used: add one.",
  REAUTHENTICATION_REQUIRED:
    "The caller's authentication is older than `extensions.maxAge` seconds, or did not use the account's second factor: call `reauthenticate` with one of `extensions.methods`.",
  FORBIDDEN: "The caller is signed in, but not allowed to do this.",
  BAD_USER_INPUT: "An argument or variable is invalid; `extensions.violations` lists what is wrong.",
  INVALID_TOKEN:
    "The refresh token, the token from an email, or the challenge is unknown, already used or expired.",
  NOT_FOUND: "The object does not exist, or belongs to another user.",
  CONFLICT: "The value is already in use.",
  LIMIT_REACHED: "The user has reached the maximum number of these objects: delete one first.",
  RATE_LIMITED:
    "Too many attempts. Retry after `extensions.retryAfter` seconds. After very many failures, only a new password helps, or a login from a network where the user has signed in before.",
  OVERLOADED: "The password queue is full. Retry after `extensions.retryAfter` seconds.",
  SERVICE_UNAVAILABLE:
    "The database is unavailable. Retry after `extensions.retryAfter` seconds. The change was either not made, or made but not confirmed.",
  GRAPHQL_PARSE_FAILED: "The document is not valid GraphQL syntax, or has too many tokens.",
  GRAPHQL_VALIDATION_FAILED: "The document does not match the schema, or exceeds a limit.",
  PERSISTED_DOCUMENT_NOT_FOUND: "Only persisted documents are executed, and the request names none of them.",
  PERSISTED_QUERY_NOT_SUPPORTED: "Automatic persisted queries are disabled: send the document.",
  BAD_REQUEST: "The HTTP request is not a GraphQL request.",
  INTERNAL_SERVER_ERROR: "An unexpected error; the server's log has `extensions.errorId`.",
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** Why a request is not authenticated: `extensions.reason` of `UNAUTHENTICATED`. */
export const UNAUTHENTICATED_REASONS = {
  MISSING_TOKEN: "The request has no bearer token in its `Authorization` header.",
  UNSUPPORTED_SCHEME: "The `Authorization` header is not `Bearer`, a space and a token.",
  INVALID_TOKEN:
    "The token is malformed, was issued elsewhere or for another audience, or its user was deleted.",
  TOKEN_EXPIRED: "The token has expired: refresh it or log in again.",
  SESSION_REVOKED: "The token's session has ended: log in again.",
  ACCOUNT_DISABLED: "The account has been disabled.",
} as const;

export type UnauthenticatedReason = keyof typeof UNAUTHENTICATED_REASONS;

/** One invalid input: the field's path, the rule's name, and what is expected. Never the value. */
export interface Violation {
  field: string;
  rule: string;
  message: string;
}

interface ErrorDetails {
  UNAUTHENTICATED: { reason: UnauthenticatedReason };
  /** `expiresAt` as an ISO 8601 date. */
  MFA_REQUIRED: { mfa: { challenge: string; methods: readonly string[]; expiresAt: string } };
  /** `maxAge` in seconds. */
  REAUTHENTICATION_REQUIRED: { maxAge: number; methods: readonly string[] };
  BAD_USER_INPUT: { violations: Violation[] };
  CONFLICT: { field: string };
  /** Seconds to wait before the next attempt. */
  RATE_LIMITED: { retryAfter: number };
  OVERLOADED: { retryAfter: number };
  SERVICE_UNAVAILABLE: { retryAfter: number };
}

type DetailsOf<C extends ErrorCode> = C extends keyof ErrorDetails
  ? [details: ErrorDetails[C]]
  : [details?: Record<string, never>];

/**
 * An error that clients see: a stable code, a message that says what to do, and the details that belong to the code.
 * Any other error is masked as INTERNAL_SERVER_ERROR.
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

/** A stored private key cannot be decrypted with SECRET_KEY. */
export class WrongSecretKeyError extends Error {
  override readonly name = "WrongSecretKeyError";
}

/** Whether `error` is a LatchkeyError with this code. */
export function hasCode(error: unknown, code: ErrorCode): boolean {
  return error instanceof LatchkeyError && error.code === code;
}

/** Returns a BAD_USER_INPUT for rules that a service checks rather than an argument class. */
export function invalidInput(violations: Violation[]): LatchkeyError<"BAD_USER_INPUT"> {
  const problems = violations.map(({ message }) => message).join("; ");
  return new LatchkeyError("BAD_USER_INPUT", `Invalid input: ${problems}.`, { violations });
}
