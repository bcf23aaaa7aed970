import type { PrintedMailer } from "../../src/email/printed.js";
import { type App, PASSWORD } from "./app.js";
import { LOGIN, REGISTER } from "./operations.js";
import { makeUser } from "./users.js";

/**
 * The actions of the tests of users' own accounts on an app.
 * @param currentApp returns the app; called at each use, because `beforeAll` creates the app
 */
export function accountsOf(currentApp: () => App) {
  /** Sends what is due, and returns the emails to an address, oldest first. */
  async function emailsTo(email: string) {
    await currentApp().latchkey.outbox.deliverDue();
    const { emails } = currentApp().latchkey.mailer as PrintedMailer;
    return emails.filter(({ to }) => to === email).reverse();
  }
  async function tokenFrom(email: string): Promise<string> {
    const text = (await emailsTo(email)).at(-1)?.text ?? "";
    return /token=([\w-]{43})/.exec(text)?.[1] ?? `no token in: ${text}`;
  }
  const signIn = () => makeUser(currentApp());
  const register = (username: string, email = `${username}@example.com`, password = PASSWORD) =>
    currentApp().send(REGISTER, { input: { username, email, password } });
  const login = (username: string, password = PASSWORD) => currentApp().send(LOGIN, { username, password });

  return { emailsTo, tokenFrom, signIn, register, login };
}
