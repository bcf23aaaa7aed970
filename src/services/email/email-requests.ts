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

/** The emails anyone can have sent to an address, and how many of them. */
export class EmailRequests {
  constructor(private readonly deps: EmailRequestsDeps) {}

  /**
   * Notes that somebody asked for an email. Whether there is anything to send is found out later, out of their sight.
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

  /** Counts an email that the client asks for, whatever the address. @throws RATE_LIMITED */
  async count(caller: Caller): Promise<void> {
    await this.deps.rateLimits.count("EMAIL", caller);
  }
}
