import { MAX_PASSWORD_BYTES, type PasswordEstimate, type Passwords } from "../../crypto/passwords.js";
import { invalidInput, type Violation } from "../../errors.js";
import type { Caller } from "../audit.js";
import type { PasswordQueue } from "../limits/password-queue.js";
import type { RateLimits } from "../limits/rate-limits.js";

/** zxcvbn's score for a password that withstands guessing where attempts are limited. */
const MIN_SCORE = 3;
/** How many letters and digits a password needs besides the names of its owner. */
const MIN_OWN_LENGTH = 8;
const SERVICE_NAME = "latchkey";

/** Whose password it is: words that a guesser would try first. */
export interface PasswordOwner {
  username: string;
  email: string;
}

export interface PasswordPolicyDeps {
  rateLimits: RateLimits;
  passwords: Passwords;
  passwordQueue: PasswordQueue;
  /** In Unicode code points. */
  minLength: number;
}

/** The rules for a password that is being set. A login is never refused by them: it just fails. */
export class PasswordPolicy {
  constructor(private readonly deps: PasswordPolicyDeps) {}

  /**
   * @param field what the violations call the password
   * @throws BAD_USER_INPUT saying what to do
   */
  async check(password: string, owner: PasswordOwner, field = "password"): Promise<void> {
    const violations = this.#violations(password, field);
    if (violations.length === 0) {
      const { score } = await this.deps.passwords.estimate(password, contextOf(owner));
      if (score < MIN_SCORE || isMadeOf(password, contextOf(owner))) {
        const message =
          "the password is too easy to guess; take a few words that do not belong together, and none of your names";
        violations.push({ field, rule: "guessable", message });
      }
    }
    if (violations.length > 0) throw invalidInput(violations);
  }

  /** How hard a password is to guess, for a form that helps to choose one. @throws RATE_LIMITED, OVERLOADED */
  async estimate(password: string, caller: Caller): Promise<PasswordEstimate> {
    return this.deps.passwordQueue.withSlot({ caller, account: "", known: false }, async () => {
      await this.deps.rateLimits.count("PASSWORD_STRENGTH", caller);
      return this.deps.passwords.estimate(password, contextOf(undefined));
    });
  }

  #violations(password: string, field: string): Violation[] {
    const violations: Violation[] = [];
    const broken = (rule: string, message: string) => violations.push({ field, rule, message });
    if (!password.isWellFormed() || password.includes("\0")) {
      broken("wellFormed", "the password must be well-formed Unicode without NUL characters");
    }
    if ([...password].length < this.deps.minLength) {
      broken(
        "minLength",
        `the password must be at least ${this.deps.minLength} characters; a few words are easiest`,
      );
    }
    if (Buffer.byteLength(password) > MAX_PASSWORD_BYTES) {
      broken("maxBytes", `the password must be at most ${MAX_PASSWORD_BYTES} bytes of UTF-8`);
    }
    return violations;
  }
}

function contextOf(owner: PasswordOwner | undefined): string[] {
  const names = owner ? [owner.username, owner.email] : [];
  const words = names.flatMap((name) => [name, ...name.split(/[^a-z0-9]+/)]);
  return [SERVICE_NAME, ...words.filter((word) => word.length >= 3)];
}

/** Whether little is left of the password without these words, whatever their case and what stands between them. */
function isMadeOf(password: string, words: string[]): boolean {
  let rest = password.toLowerCase();
  for (const word of words.toSorted((a, b) => b.length - a.length)) rest = rest.replaceAll(word, "");
  return rest.length < password.length && [...rest.replace(/[^\p{L}\p{N}]/gu, "")].length < MIN_OWN_LENGTH;
}
