import { LatchkeyError } from "../../errors.js";
import type { Database } from "../../storage/database.js";
import { countAdministrators } from "../../storage/users.js";

/**
 * Rejects a change that took the last administrator away, so that its transaction rolls back.
 * @param before how many there were before it, counted under `lockAdministrators`
 * @throws FORBIDDEN
 */
export async function keepAnAdministrator(transaction: Database, before: number): Promise<void> {
  if (before > 0 && (await countAdministrators(transaction)) === 0) {
    throw new LatchkeyError("FORBIDDEN", "This is the last administrator: make another one first.");
  }
}
