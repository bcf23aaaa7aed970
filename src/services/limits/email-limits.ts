import type { Clock } from "../../clock.js";
import type { KeyedHash } from "../../crypto/keyed-hash.js";
import { type AttemptKey, countAttempt, findNextAttempt, uncountAttempt } from "../../storage/attempts.js";
import type { Database } from "../../storage/database.js";
import { type OutboxEmail, postponeOutboxEmail } from "../../storage/outbox.js";
import { EMAILS_TO_ADDRESS } from "./attempt-limits.js";

/** The emails that anyone can have sent to an address, and whether they say the same whoever requested them. */
const LIMITED = new Map([
  ["REGISTRATION", { sameForAll: true }],
  ["EMAIL_VERIFICATION", { sameForAll: true }],
  ["PASSWORD_RESET", { sameForAll: true }],
  ["EMAIL_CHANGE", { sameForAll: false }],
]);

export interface EmailLimitsDeps {
  db: Database;
  clock: Clock;
  /** Hashes the addresses. */
  names: KeyedHash;
}

/**
 * Limits the emails that an address gets, per kind. Only sent emails count, so a request that sends nothing delays
 * nobody; and the limit applies when an email is sent, so no answer reveals whether there is an account. An email over
 * the limit is postponed: after every request one is sent, some minutes later at most.
 */
export class EmailLimits {
  constructor(private readonly deps: EmailLimitsDeps) {}

  /**
   * Counts an email that is about to be sent, or postpones it when its address has had too many of its kind.
   * @returns the time it is postponed to, in epoch milliseconds; undefined to send it now
   */
  async admit(message: OutboxEmail): Promise<number | undefined> {
    const limited = LIMITED.get(message.kind);
    if (limited === undefined) return undefined;
    const now = this.deps.clock.now();
    if ((await countAttempt(this.deps.db, this.#keyOf(message), EMAILS_TO_ADDRESS, now)) !== undefined)
      return undefined;
    const until = (await findNextAttempt(this.deps.db, [this.#keyOf(message)], now)) ?? now;
    await postponeOutboxEmail(this.deps.db, message, until, limited);
    return until;
  }

  /** Takes the count back, for an email that was not sent after all. */
  async giveBack(message: OutboxEmail): Promise<void> {
    if (LIMITED.has(message.kind)) await uncountAttempt(this.deps.db, this.#keyOf(message));
  }

  #keyOf({ kind, email }: OutboxEmail): AttemptKey {
    return { name: `EMAIL_${kind}`, account: this.deps.names.of(email), network: "" };
  }
}
