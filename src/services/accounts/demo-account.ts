import { randomBytes } from "node:crypto";
import { hasCode } from "../../errors.js";
import type { Items } from "../items.js";
import type { Operator } from "./operator.js";

/**
 * Creates an account with two items to try Latchkey with, unless there are accounts already.
 * @returns its credentials, which are kept nowhere else; undefined when there are accounts
 */
export async function createDemoAccount(
  operator: Operator,
  items: Items,
): Promise<{ username: string; password: string } | undefined> {
  if (await operator.hasUsers()) return undefined;
  const username = "johndoe";
  const password = randomBytes(15).toString("base64url");
  try {
    const account = { username, email: "johndoe@example.com", fullName: "John Doe" };
    const user = await operator.create(account, password);
    await items.createFor(user.id, { title: "Foo", description: "The first item of John Doe" });
    await items.createFor(user.id, { title: "Bar", description: null });
  } catch (error) {
    // Another process that starts on the same database created it first.
    if (hasCode(error, "CONFLICT")) return undefined;
    throw error;
  }
  return { username, password };
}
