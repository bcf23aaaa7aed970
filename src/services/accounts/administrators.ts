import { LatchkeyError } from "../../errors.js";
import { countAdministrators } from "../../storage/administrators.js";
import type { Database } from "../../storage/database.js";

/**
 * Rejects a change that leaves no administrator, so that its transaction rolls back.
 * @param before what `lockAdministrators` returned before the change
 * @throws FORBIDDEN
 */
export async function keepAnAdministrator(transaction: Database, before: number): Promise<void> {
  if (before > 0 && (await countAdministrators(transaction)) === 0) {
    throw new LatchkeyError(
      "FORBIDDEN",
      "This is the last administrator. Make another user an administrator first.",
    );
  }
}
