import bcrypt from "bcrypt";
import { type App, PASSWORD } from "./app.js";

/** Users with the tests' password whose hash has this cost: one hash for all, however many there are. */
export async function importUsers(app: App, usernames: readonly string[], cost: number): Promise<void> {
  const password_hash = await bcrypt.hash(PASSWORD, cost);
  async function* lines() {
    for (const [line, username] of usernames.entries()) {
      yield { line, record: { username, email: `${username}@example.com`, password_hash } };
    }
  }
  const { failed } = await app.latchkey.userImport.import(lines(), () => {});
  if (failed.length > 0) throw new Error(failed[0]?.problem);
}
