import { LatchkeyError } from "../errors.js";
import type { Database } from "../storage/database.js";
import { countAdministrators, lockAdministrators } from "../storage/users.js";

/**
 * Does something that may take an administrator away, unless it was the last: also not two at once.
 * @throws FORBIDDEN, and the transaction must roll back
 */
export async function keepAnAdministrator<T>(transaction: Database, work: () => Promise<T>): Promise<T> {
  await lockAdministrators(transaction);
  const before = await countAdministrators(transaction);
  const result = await work();
  if (before > 0 && (await countAdministrators(transaction)) === 0) {
    throw new LatchkeyError("FORBIDDEN", "This is the last administrator: make another one first.");
  }
  return result;
}
