import { DAY, HOUR, SECOND } from "../../clock.js";
import { LatchkeyError } from "../../errors.js";
import type { AttemptKind } from "./attempt-limits.js";

/** For a limit that time does not lift. In seconds. */
const RETRY_AFTER_UNTIL_RESET = HOUR / SECOND;
/** What to do about a limit that time does not lift. */
const WAYS_OUT: Partial<Record<AttemptKind, string>> = {
  PASSWORD:
    "Set a new password with `requestPasswordReset`, or log in from a network you have signed in from before.",
  CODE: "Use a passkey or a recovery code, or a network you have signed in from before.",
};

/**
 * The error of an attempt that a limit rejects.
 * @param wait milliseconds until the limit allows the next one
 */
export function rateLimited(kind: AttemptKind, wait: number): LatchkeyError<"RATE_LIMITED"> {
  if (wait > DAY) {
    return new LatchkeyError("RATE_LIMITED", `Too many failed attempts. ${WAYS_OUT[kind]}`, {
      retryAfter: RETRY_AFTER_UNTIL_RESET,
    });
  }
  const retryAfter = Math.ceil(wait / SECOND);
  const message = `Too many attempts. Try again in ${retryAfter} second${retryAfter === 1 ? "" : "s"}.`;
  return new LatchkeyError("RATE_LIMITED", message, { retryAfter });
}
