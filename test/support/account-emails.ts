import { afterAll, afterEach, beforeAll, beforeEach, expect } from "@jest/globals";
import { HOUR, SECOND } from "../../src/clock.js";
import { type App, makeApp, NEW_PASSWORD, PASSWORD } from "./app.js";
import type { DatabaseKind } from "./databases.js";
import { type MailServer, refusal, startMailServer } from "./mail-server.js";
import {
  LOGIN,
  REGISTER,
  REQUEST_EMAIL_VERIFICATION,
  REQUEST_PASSWORD_RESET,
  RESET_PASSWORD,
  VERIFY_EMAIL,
} from "./operations.js";

/** A text as a reader sees it, without invisible characters. */
export const visible = (text: string) => text.replace(/\p{Default_Ignorable_Code_Point}/gu, "");
export const tokensIn = (text: string) =>
  [...text.matchAll(/token=([\w-]{43})$/gm)].map(([, token]) => token!);

/**
 * Starts a mail server and an app that sends through it, for the tests of a `describe`, and returns what these tests do
 * with both.
 * @param onStart receives the app
 */
export function accountEmails(database: DatabaseKind, onStart: (app: App) => void) {
  let server: MailServer;
  let app: App;
  beforeAll(async () => {
    server = await startMailServer();
    app = await makeApp({ database, env: { SMTP_URL: server.url } });
    onStart(app);
  });
  beforeEach(() => {
    // Hourly limits start from zero.
    app.clock.advance(HOUR);
  });
  afterEach(async () => {
    behaveAgain();
    await app.latchkey.outbox.deliverDue();
  });
  afterAll(async () => {
    await app.close();
    await server.close();
  });

  /** Sends what is due, and returns the emails that have arrived at an address, oldest first. */
  async function emailsTo(address: string) {
    await app.latchkey.outbox.deliverDue();
    return server.received.filter(({ envelope }) => envelope.to[0] === address);
  }
  async function lastTo(address: string): Promise<string> {
    return visible((await emailsTo(address)).at(-1)?.text ?? "");
  }
  let users = 0;
  const newName = () => `user-${users++}`;
  async function register(username: string, email: string): Promise<void> {
    const { data } = await app.send(REGISTER, { input: { username, email, password: PASSWORD } });
    expect(data).toEqual({ register: { username, email } });
  }
  const login = (username: string) => app.send(LOGIN, { username, password: PASSWORD });
  const verify = (token: string) => app.send(VERIFY_EMAIL, { token });
  const reset = (token: string) => app.send(RESET_PASSWORD, { token, newPassword: NEW_PASSWORD });
  async function askForLink(email: string): Promise<void> {
    const { data } = await app.send(REQUEST_EMAIL_VERIFICATION, { email });
    expect(data).toEqual({ requestEmailVerification: true });
  }
  const askForReset = (email: string) => app.send(REQUEST_PASSWORD_RESET, { email });
  /** From now on the mail server accepts each email, but its confirmation is lost. @returns the texts it accepted */
  const takeWithoutAnswer = () => {
    const taken: string[] = [];
    server.behaviour.data = ({ text }) => {
      taken.push(text);
      throw refusal(421);
    };
    return taken;
  };
  const refuseAll = () => {
    server.behaviour.recipient = () => {
      throw refusal(450);
    };
  };
  const behaveAgain = () => {
    delete server.behaviour.data;
    delete server.behaviour.recipient;
  };
  /** The mail server works again, and the emails that it refused are due. */
  const acceptAll = async () => {
    // An email that is being refused at this moment would be due later.
    await app.latchkey.outbox.deliverDue();
    behaveAgain();
    app.clock.advance(30 * SECOND);
  };
  const outboxOf = (email: string) =>
    app.latchkey.db.selectFrom("outbox").selectAll().where("email", "=", email).execute();
  const liveTokens = (userId: string) =>
    app.latchkey.db
      .selectFrom("one_time_tokens")
      .select("token_hash")
      .where("user_id", "=", userId)
      .where("used_at", "is", null)
      .where("expires_at", ">", app.clock.now())
      .execute();

  return {
    acceptAll,
    askForLink,
    askForReset,
    behaveAgain,
    emailsTo,
    lastTo,
    liveTokens,
    login,
    newName,
    outboxOf,
    refuseAll,
    register,
    reset,
    takeWithoutAnswer,
    verify,
  };
}
