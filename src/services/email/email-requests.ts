import { invalidInput } from "../../errors.js";
import type { Database } from "../../storage/database.js";
import type { Caller } from "../audit.js";
import { emailViolations, normalizeLogin } from "../identifiers.js";
import type { RateLimits } from "../limits/rate-limits.js";
import type { Outbox } from "./outbox.js";

export interface EmailRequestsDeps {
  db: Database;
  rateLimits: RateLimits;
  outbox: Outbox;
}

/** Emails that anyone can request for an address, and their rate limit. */
export class EmailRequests {
  constructor(private readonly deps: EmailRequestsDeps) {}

  /**
   * Queues an email to an address. Whether there is anything to send is decided later, so the answer reveals nothing.
   * @throws BAD_USER_INPUT, RATE_LIMITED
   */
  async request(
    kind: "EMAIL_VERIFICATION" | "PASSWORD_RESET",
    address: string,
    caller: Caller,
  ): Promise<void> {
    const email = normalizeLogin(address);
    const violations = emailViolations(email);
    if (violations.length > 0) throw invalidInput(violations);
    await this.count(caller);
    await this.deps.outbox.enqueue(this.deps.db, { kind, email });
    this.deps.outbox.wake();
  }

  /** Counts an email that the caller asks for, to any address. @throws RATE_LIMITED */
  async count(caller: Caller): Promise<void> {
    await this.deps.rateLimits.count("EMAIL", caller);
  }
}
