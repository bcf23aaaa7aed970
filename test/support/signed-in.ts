import { type App, PASSWORD } from "./app.js";

export interface SignedIn {
  id: string;
  token: string;
}

async function signIn(app: App, username: string): Promise<SignedIn> {
  const { user, accessToken } = await app.login(username);
  return { id: user.id, token: accessToken };
}

export async function makeUser(
  app: App,
  username: string,
  roles: ("USER" | "ADMIN")[] = [],
): Promise<SignedIn> {
  const account = { username, email: `${username}@example.com`, fullName: null, roles };
  await app.latchkey.operator.create(account, PASSWORD);
  return signIn(app, username);
}
