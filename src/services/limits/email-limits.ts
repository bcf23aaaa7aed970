import type { Clock } from "../../clock.js";
import type { KeyedHash } from "../../crypto/keyed-hash.js";
import { type AttemptKey, countAttempt, findNextAttempt, uncountAttempt } from "../../storage/attempts.js";
import type { Database } from "../../storage/database.js";
import { type OutboxEmail, postponeOutboxEmail } from "../../storage/outbox.js";
import { EMAILS_TO_ADDRESS } from "./attempt-limits.js";

/**
 * The kinds of email that anyone can have sent to an address, and whether each user's are counted apart. Those that are
 * not say the same whoever asked; of a user's own, another user's must delay none.
 */
const LIMITED = new Map([
  ["REGISTRATION", { perUser: false }],
  ["EMAIL_VERIFICATION", { perUser: false }],
  ["PASSWORD_RESET", { perUser: false }],
  ["EMAIL_CHANGE", { perUser: true }],
]);

export interface EmailLimitsDeps {
  db: Database;
  clock: Clock;
  /** Hashes addresses: the table of attempts must not hold them. */
  names: KeyedHash;
}

/**
 * Limits how many emails of each kind an address gets. Only emails that were sent count, so a request that sends nothing
 * delays nobody. The limit is checked when an email is sent, so no answer reveals who has an account. An email over the
 * limit is postponed, for 17 minutes at most: an email follows every request.
 */
export class EmailLimits {
  constructor(private readonly deps: EmailLimitsDeps) {}

  /**
   * Counts an email that is about to be sent, or postpones it when its address got too many of its kind.
   * @returns when to attempt it again, epoch milliseconds; undefined when it can be sent now
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

  /** Reverts the count of an email that was not sent after all. */
  async uncount(message: OutboxEmail): Promise<void> {
    if (LIMITED.has(message.kind)) await uncountAttempt(this.deps.db, this.#keyOf(message));
  }

  #keyOf({ kind, email, userId }: OutboxEmail): AttemptKey {
    const account = this.deps.names.of(LIMITED.get(kind)?.perUser ? `${email} ${userId}` : email);
    return { name: `EMAIL_${kind}`, account, network: "" };
  }
}
