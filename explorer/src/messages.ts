import { LatchkeyError } from "@latchkey/client";

const MINUTE = 60;
const HOUR = 60 * MINUTE;

/** What a GraphQL error of the server says besides its message. */
interface Details {
  code?: string;
  reason?: string;
  retryAfter?: number;
}

/** What went wrong, as a sentence for a person. */
export function sentenceFor(error: unknown): string {
  if (error instanceof LatchkeyError) return withDuration(error.message, error.extensions);
  if (error instanceof DOMException) {
    return error.name === "SecurityError"
      ? "Passkeys do not work at this address. Its host name must be WEBAUTHN_RP_ID, or below it."
      : "No passkey was used.";
  }
  return "Something went wrong. See the browser's console.";
}

/** Says how long to wait in the largest unit that fits; the server says it in seconds. */
export function withDuration(message: string, { retryAfter = 0 }: Details): string {
  return message.replace(`${retryAfter} seconds`, durationOf(retryAfter));
}

function durationOf(seconds: number): string {
  if (seconds < 2 * MINUTE) return `${seconds} seconds`;
  if (seconds < 2 * HOUR) return `${Math.ceil(seconds / MINUTE)} minutes`;
  return `${Math.ceil(seconds / HOUR)} hours`;
}
