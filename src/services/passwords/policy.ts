import { MAX_PASSWORD_BYTES, type PasswordEstimate, type Passwords } from "../../crypto/passwords.js";
import { invalidInput, type Violation } from "../../errors.js";
import type { Caller } from "../audit.js";
import { MAX_LOGIN_LENGTH } from "../identifiers.js";
import type { PasswordQueue, SlotHolder } from "../limits/password-queue.js";
import type { RateLimits } from "../limits/rate-limits.js";

/** The zxcvbn score of a password that withstands rate-limited guessing. */
const MIN_SCORE = 3;
/** How many letters and digits a password needs besides its owner's names. */
const MIN_OWN_LENGTH = 8;
const SERVICE_NAME = "latchkey";

/** The owner of a password, whose names a guesser would try first. */
interface PasswordOwner {
  username: string;
  email: string;
}

/** The input that a new password is part of. */
export interface NewPassword {
  owner: PasswordOwner;
  /** The name of the password in the input: `password` by default. */
  field?: string;
  /** What else is wrong with the input: the error names it too. */
  otherViolations?: readonly Violation[];
}

export interface PasswordPolicyDeps {
  rateLimits: RateLimits;
  passwords: Passwords;
  passwordQueue: PasswordQueue;
  /** In Unicode code points. */
  minLength: number;
}

/** The rules for a new password. They do not apply to logins. */
export class PasswordPolicy {
  constructor(private readonly deps: PasswordPolicyDeps) {}

  /** Hashes a new password. For a request, use `hashInQueue`. @throws BAD_USER_INPUT with all that is wrong */
  async hash(password: string, input: NewPassword): Promise<string> {
    this.#refuseUnusable(password, input);
    return this.#rateAndHash(password, input);
  }

  /**
   * Hashes a new password in a slot of the password queue.
   * @param count counts the request, before the work that it costs
   * @throws BAD_USER_INPUT with all that is wrong; OVERLOADED; what `count` throws
   */
  async hashInQueue(
    password: string,
    input: NewPassword,
    { holder, count }: { holder: SlotHolder; count?: () => Promise<void> },
  ): Promise<string> {
    this.#refuseUnusable(password, input);
    return this.deps.passwordQueue.withSlot(holder, async () => {
      await count?.();
      return this.#rateAndHash(password, input);
    });
  }

  /** Estimates how hard a password is to guess, for a form that helps to choose one. @throws RATE_LIMITED, OVERLOADED */
  async estimate(password: string, caller: Caller): Promise<PasswordEstimate> {
    return this.deps.passwordQueue.withSlot({ caller, account: "", known: false }, async () => {
      await this.deps.rateLimits.count("PASSWORD_STRENGTH", caller);
      return this.deps.passwords.estimate(password, contextOf(undefined));
    });
  }

  /** @throws BAD_USER_INPUT */
  async #rateAndHash(password: string, input: NewPassword): Promise<string> {
    const { owner, field = "password", otherViolations = [] } = input;
    const violations = [...otherViolations];
    const { score } = await this.deps.passwords.estimate(password, contextOf(owner));
    if (score < MIN_SCORE || isMadeOf(password, contextOf(owner))) {
      const message =
        "the password is too easy to guess; choose a few unrelated words, and none of your names";
      violations.push({ field, rule: "guessable", message });
    }
    if (violations.length > 0) throw invalidInput(violations);
    return this.deps.passwords.hash(password);
  }

  /** Checks the rules that take no work. @throws BAD_USER_INPUT */
  #refuseUnusable(password: string, { field = "password", otherViolations = [] }: NewPassword): void {
    const violations: Violation[] = [];
    const add = (rule: string, message: string) => violations.push({ field, rule, message });
    if (!password.isWellFormed() || password.includes("\0")) {
      add("wellFormed", "the password must be well-formed Unicode without NUL characters");
    }
    if ([...password].length < this.deps.minLength) {
      add(
        "minLength",
        `the password must be at least ${this.deps.minLength} characters; a few words are easiest`,
      );
    }
    if (Buffer.byteLength(password) > MAX_PASSWORD_BYTES) {
      add("maxBytes", `the password must be at most ${MAX_PASSWORD_BYTES} bytes of UTF-8`);
    }
    if (violations.length > 0) throw invalidInput([...otherViolations, ...violations]);
  }
}

function contextOf(owner: PasswordOwner | undefined): string[] {
  // A longer name is refused itself, and would cost time.
  const names = owner ? [owner.username, owner.email].map((name) => name.slice(0, MAX_LOGIN_LENGTH)) : [];
  const words = names.flatMap((name) => [name, ...name.split(/[^a-z0-9]+/)]);
  return [SERVICE_NAME, ...words.filter((word) => word.length >= 3)];
}

/** Whether little is left of the password without these words, ignoring case and punctuation. */
function isMadeOf(password: string, words: string[]): boolean {
  let rest = password.toLowerCase();
  for (const word of words.toSorted((a, b) => b.length - a.length)) rest = rest.replaceAll(word, "");
  return rest.length < password.length && [...rest.replace(/[^\p{L}\p{N}]/gu, "")].length < MIN_OWN_LENGTH;
}
