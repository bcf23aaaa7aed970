import bcrypt from "bcrypt";
import type { Role } from "../../src/storage/users.js";
import { type App, PASSWORD } from "./app.js";

let users = 0;

/** Creates a user and signs them in. `token` is the access token, under the name that `app.send` takes it. */
export async function makeUser(app: App, username = `user-${users++}`, roles: Role[] = []) {
  const { id, email } = await app.createUser(username, PASSWORD, roles);
  const tokens = await app.login(username);
  return { id, username, email, token: tokens.accessToken, ...tokens };
}

export type SignedIn = Awaited<ReturnType<typeof makeUser>>;

/** Imports users with the password of the tests, hashed once for all of them with this cost. */
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
