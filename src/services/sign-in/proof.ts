import type { Database } from "../../storage/database.js";
import type { AuthenticationMethod } from "../../storage/sessions.js";
import type { User } from "../../storage/users.js";
import type { Attempt } from "../limits/rate-limits.js";

/** That somebody is a user, by one sign-in method. It must still hold in the transaction that acts on it. */
export interface Proof {
  /** As the user was when the proof was checked. */
  user: User;
  methods: readonly AuthenticationMethod[];
  /** Counts as a failure until it ends: `succeed` in that transaction, `fail` or `giveBack`. */
  attempt: Attempt;
  /**
   * Whether the proof holds, with the user locked. Consumes what works once; when it is false, nothing was written.
   * @throws INVALID_TOKEN when the challenge that it answers was consumed
   */
  confirm(transaction: Database): Promise<boolean>;
  /** Ends the attempt of a proof that does not hold. @throws INVALID_CREDENTIALS */
  reject(): Promise<never>;
}
