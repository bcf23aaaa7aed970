import { MAX_PASSWORD_BYTES } from "../crypto/passwords.js";
import type { Violation } from "../errors.js";

/** NIST SP 800-63B-4, 3.1.1.2: for a password that is the only factor. In Unicode code points. */
const MIN_PASSWORD_LENGTH = 15;

/** The rules for a password that is being set. A login is never refused by them: it just fails. */
export function passwordViolations(password: string): Violation[] {
  const violations: Violation[] = [];
  const broken = (rule: string, message: string) => violations.push({ field: "password", rule, message });
  if (!password.isWellFormed() || password.includes("\0")) {
    broken("wellFormed", "the password must be well-formed Unicode without NUL characters");
  }
  if ([...password].length < MIN_PASSWORD_LENGTH) {
    broken(
      "minLength",
      `the password must be at least ${MIN_PASSWORD_LENGTH} characters; a few words are easiest`,
    );
  }
  if (Buffer.byteLength(password) > MAX_PASSWORD_BYTES) {
    broken("maxBytes", `the password must be at most ${MAX_PASSWORD_BYTES} bytes of UTF-8`);
  }
  return violations;
}
