import { invalidInput } from "../../errors.js";
import type { Database } from "../../storage/database.js";
import type { Client } from "../audit.js";
import { emailViolations, normalizeLogin } from "../identifiers.js";
import type { Throttle } from "../limits/rate-limits.js";
import type { Outbox } from "./outbox.js";

/** The mails anyone can have sent to an address, and how many of them. */
export class MailRequests {
  readonly #db: Database;
  readonly #throttle: Throttle;
  readonly #outbox: Outbox;

  constructor(deps: { db: Database; throttle: Throttle; outbox: Outbox }) {
    this.#db = deps.db;
    this.#throttle = deps.throttle;
    this.#outbox = deps.outbox;
  }

  /**
   * Notes that somebody asked for a mail. Whether there is anything to send is found out later, out of their sight.
   * @throws BAD_USER_INPUT, RATE_LIMITED
   */
  async request(
    kind: "EMAIL_VERIFICATION" | "PASSWORD_RESET",
    address: string,
    client: Client,
  ): Promise<void> {
    const email = normalizeLogin(address);
    const violations = emailViolations(email);
    if (violations.length > 0) throw invalidInput(violations);
    await this.count(client);
    await this.#outbox.enqueue(this.#db, { kind, email });
    this.#outbox.wake();
  }

  /** Counts an email that the client asks for, whatever the address. @throws RATE_LIMITED */
  async count(client: Client): Promise<void> {
    await this.#throttle.count("EMAIL", client);
  }
}
