import type { MfaMethod } from "./operations.js";

/** The error codes of the API: `ErrorCode` in its schema. */
export const ERROR_CODES = [
  "UNAUTHENTICATED",
  "INVALID_CREDENTIALS",
  "ACCOUNT_DISABLED",
  "EMAIL_NOT_VERIFIED",
  "MFA_REQUIRED",
  "MFA_ENROLLMENT_REQUIRED",
  "REAUTHENTICATION_REQUIRED",
  "FORBIDDEN",
  "BAD_USER_INPUT",
  "INVALID_TOKEN",
  "NOT_FOUND",
  "CONFLICT",
  "LIMIT_REACHED",
  "RATE_LIMITED",
  "OVERLOADED",
  "SERVICE_UNAVAILABLE",
  "GRAPHQL_PARSE_FAILED",
  "GRAPHQL_VALIDATION_FAILED",
  "PERSISTED_DOCUMENT_NOT_FOUND",
  "PERSISTED_QUERY_NOT_SUPPORTED",
  "BAD_REQUEST",
  "INTERNAL_SERVER_ERROR",
] as const;

/** A code that the server answers with, or `NETWORK_ERROR` of this package when no GraphQL answer came back. */
export type ErrorCode = (typeof ERROR_CODES)[number] | "NETWORK_ERROR";

/** The reasons of `UNAUTHENTICATED`. */
export const UNAUTHENTICATED_REASONS = [
  "MISSING_TOKEN",
  "UNSUPPORTED_SCHEME",
  "INVALID_TOKEN",
  "TOKEN_EXPIRED",
  "SESSION_REVOKED",
  "ACCOUNT_DISABLED",
] as const;

export type UnauthenticatedReason = (typeof UNAUTHENTICATED_REASONS)[number];

/** How a user can prove again who they are. */
export type ReauthenticationMethod = "PASSWORD" | "TOTP" | "PASSKEY";

/** One invalid input: the field's path, the rule's name, and what is expected. */
export interface Violation {
  field: string;
  rule: string;
  message: string;
}

/** What an error of a code carries besides the code. */
interface Details {
  UNAUTHENTICATED: { reason: UnauthenticatedReason };
  /** `expiresAt` as an ISO 8601 date. */
  MFA_REQUIRED: { mfa: { challenge: string; methods: MfaMethod[]; expiresAt: string } };
  /** `maxAge` in seconds. */
  REAUTHENTICATION_REQUIRED: ReauthenticationRequired;
  BAD_USER_INPUT: { violations: Violation[] };
  CONFLICT: { field: string };
  /** Seconds to wait before the next attempt. */
  RATE_LIMITED: { retryAfter: number };
  OVERLOADED: { retryAfter: number };
  SERVICE_UNAVAILABLE: { retryAfter: number };
  INTERNAL_SERVER_ERROR: { errorId: string };
  /** The HTTP status, if there was an answer at all, and its `Retry-After` in seconds. */
  NETWORK_ERROR: { status?: number; retryAfter?: number };
}

/** What an operation that needs a recent authentication requires. */
export interface ReauthenticationRequired {
  /** The maximum age of the authentication, in seconds. */
  maxAge: number;
  methods: ReauthenticationMethod[];
}

export type ErrorExtensions<C extends ErrorCode> = { code: C } & (C extends keyof Details
  ? Details[C]
  : unknown);

type ErrorOf<C extends ErrorCode> = Error & {
  readonly name: "LatchkeyError";
  readonly code: C;
  /** The code, and what belongs to it. */
  readonly extensions: Readonly<ErrorExtensions<C>>;
};

/** An error that the server answered with: `switch (error.code)` narrows its type. */
export type LatchkeyError = { [C in ErrorCode]: ErrorOf<C> }[ErrorCode];

/** Thrown by every call that talks to the server. */
export const LatchkeyError: new (
  message: string,
  extensions: LatchkeyError["extensions"],
  options?: ErrorOptions,
) => LatchkeyError = class extends Error {
  override readonly name = "LatchkeyError";
  declare readonly code: ErrorCode;
  declare readonly extensions: LatchkeyError["extensions"];

  constructor(message: string, extensions: LatchkeyError["extensions"], options?: ErrorOptions) {
    super(message, options);
    this.code = extensions.code;
    this.extensions = extensions;
  }
} as never;
