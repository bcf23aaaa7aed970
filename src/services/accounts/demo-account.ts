import { randomBytes } from "node:crypto";
import { hasCode } from "../../errors.js";
import type { Items } from "../items.js";
import type { Accounts } from "./administration.js";

/**
 * Makes one account with two items to try Latchkey with, when there is no account at all.
 * @returns its credentials, which are kept nowhere else, or undefined when there are accounts
 */
export async function createDemoAccount(
  accounts: Accounts,
  items: Items,
): Promise<{ username: string; password: string } | undefined> {
  if (!(await accounts.isEmpty())) return undefined;
  const username = "johndoe";
  const password = randomBytes(15).toString("base64url");
  try {
    const account = { username, email: "johndoe@example.com", fullName: "John Doe" };
    const user = await accounts.create(account, password);
    await items.createFor(user.id, { title: "Foo", description: "The first item of John Doe" });
    await items.createFor(user.id, { title: "Bar", description: null });
  } catch (error) {
    // Another process that starts on the same database was faster.
    if (hasCode(error, "CONFLICT")) return undefined;
    throw error;
  }
  return { username, password };
}
