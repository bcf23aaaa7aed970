import { CombinedGraphQLErrors } from "@apollo/client/errors";
import { type ErrorCode, LatchkeyError, type Violation } from "@latchkey/client";

/** What a user reads. */
export interface Problem {
  code: ErrorCode | "DECLINED";
  sentence: string;
  /** What is wrong with which field of a form, without a full stop. */
  violations: Pick<Violation, "field" | "message">[];
}

/** Sentences of a page that knows better what the user was doing. */
export type Sentences = Partial<Record<Problem["code"], string>>;

const OUR_MISTAKE = "Something is wrong with this app. Reload the page and try again.";

// The compiler reports a code without a sentence.
const SENTENCES: Record<Problem["code"], string> = {
  UNAUTHENTICATED: "You are not signed in any more. Sign in again.",
  INVALID_CREDENTIALS: "The username or the password is wrong.",
  ACCOUNT_DISABLED: "Your account has been disabled. Ask an administrator.",
  EMAIL_NOT_VERIFIED: "Confirm your email address first, with the link that we sent you.",
  MFA_REQUIRED: "A second step is needed to sign in.",
  MFA_ENROLLMENT_REQUIRED: "Your account needs a second step to sign in. Add one under Security.",
  REAUTHENTICATION_REQUIRED: "Nothing was changed, because you did not confirm it's you.",
  FORBIDDEN: "You are not allowed to do this.",
  BAD_USER_INPUT: "Some of this cannot be accepted.",
  INVALID_TOKEN: "This has expired, or was used already. Start again.",
  NOT_FOUND: "This does not exist any more.",
  CONFLICT: "This is in use already.",
  LIMIT_REACHED: "You have as many of these as you can have. Delete one first.",
  RATE_LIMITED: "There have been too many attempts.",
  OVERLOADED: "We are very busy.",
  SERVICE_UNAVAILABLE: "We have a problem right now. Look whether your change was made before you try again.",
  GRAPHQL_PARSE_FAILED: OUR_MISTAKE,
  GRAPHQL_VALIDATION_FAILED: OUR_MISTAKE,
  PERSISTED_DOCUMENT_NOT_FOUND: OUR_MISTAKE,
  PERSISTED_QUERY_NOT_SUPPORTED: OUR_MISTAKE,
  BAD_REQUEST: OUR_MISTAKE,
  INTERNAL_SERVER_ERROR: "Something went wrong on our side. Try again later.",
  NETWORK_ERROR: "We cannot be reached. Check your connection and try again.",
  DECLINED: "The passkey was not used. Try again, or choose another way.",
};

/** What is known of an error: of `@latchkey/client`, of Apollo Client, or of the browser. */
interface Known {
  code: Problem["code"];
  violations?: Violation[];
  field?: string;
  retryAfter?: number;
}

export function problemOf(error: unknown, sentences: Sentences = {}): Problem {
  const { code, violations = [], field, retryAfter } = knownOf(error);
  const sentence = sentences[code] ?? SENTENCES[code] ?? SENTENCES.INTERNAL_SERVER_ERROR;
  return {
    code,
    sentence: retryAfter ? `${sentence} Try again in ${duration(retryAfter)}.` : sentence,
    violations: field ? [{ field, message: sentence.slice(0, -1) }] : violations,
  };
}

function knownOf(error: unknown): Known {
  if (CombinedGraphQLErrors.is(error))
    return (error.errors[0].extensions as Known | undefined) ?? { code: "INTERNAL_SERVER_ERROR" };
  if (error instanceof LatchkeyError) return error.extensions;
  // The user or the browser declined; WebAuthn says no more, also when there is no passkey.
  if (error instanceof DOMException) return { code: "DECLINED" };
  // No answer, or one that is not GraphQL.
  return { code: "NETWORK_ERROR" };
}

function duration(seconds: number): string {
  if (seconds < 60) return seconds === 1 ? "a second" : `${seconds} seconds`;
  const minutes = Math.ceil(seconds / 60);
  return minutes === 1 ? "a minute" : `${minutes} minutes`;
}
