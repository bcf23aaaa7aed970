import { expect } from "@jest/globals";
import { SECOND } from "../../src/clock.js";
import { type App, PASSWORD } from "./app.js";
import { type MailServer, refusal } from "./mail-server.js";
import {
  LOGIN,
  REGISTER,
  REQUEST_EMAIL_VERIFICATION,
  REQUEST_PASSWORD_RESET,
  RESET_PASSWORD,
  VERIFY_EMAIL,
} from "./operations.js";

export const NEW_PASSWORD = "CANARY-another-fine-set-of-words";

/** A text as a reader sees it. */
export const visible = (text: string) => text.replace(/\p{Default_Ignorable_Code_Point}/gu, "");
export const tokensIn = (text: string) =>
  [...text.matchAll(/token=([\w-]{43})$/gm)].map(([, token]) => token!);

/** What tests of these emails do with an app and its mail server, which need not be there yet. */
export function accountEmails(appOf: () => App, serverOf: () => MailServer) {
  /** What has arrived at an address, oldest first, with everything that is due sent. */
  async function emailsTo(address: string) {
    await appOf().latchkey.outbox.deliverDue();
    return serverOf().received.filter(({ envelope }) => envelope.to[0] === address);
  }
  async function lastTo(address: string): Promise<string> {
    return visible((await emailsTo(address)).at(-1)?.text ?? "");
  }
  let users = 0;
  const newName = () => `user-${users++}`;
  async function register(username: string, email: string): Promise<void> {
    const { data } = await appOf().send(REGISTER, { input: { username, email, password: PASSWORD } });
    expect(data).toEqual({ register: { username, email } });
  }
  const login = (username: string) => appOf().send(LOGIN, { username, password: PASSWORD });
  const verify = (token: string) => appOf().send(VERIFY_EMAIL, { token });
  const reset = (token: string) => appOf().send(RESET_PASSWORD, { token, newPassword: NEW_PASSWORD });
  async function askForLink(email: string): Promise<void> {
    const { data } = await appOf().send(REQUEST_EMAIL_VERIFICATION, { email });
    expect(data).toEqual({ requestEmailVerification: true });
  }
  const askForReset = (email: string) => appOf().send(REQUEST_PASSWORD_RESET, { email });
  /** The mail server takes an email, and the connection is lost before it says so. */
  const takeWithoutAnswer = () => {
    const taken: string[] = [];
    serverOf().behaviour.data = ({ text }) => {
      taken.push(text);
      throw refusal(421);
    };
    return taken;
  };
  const refuseAll = () => {
    serverOf().behaviour.recipient = () => {
      throw refusal(450);
    };
  };
  const behaveAgain = () => {
    delete serverOf().behaviour.data;
    delete serverOf().behaviour.recipient;
  };
  /** The mail server works again, and what it refused is due. */
  const acceptAll = async () => {
    // What is being refused at this moment would be due later.
    await appOf().latchkey.outbox.deliverDue();
    behaveAgain();
    appOf().clock.advance(30 * SECOND);
  };
  const outboxOf = (email: string) =>
    appOf().latchkey.db.selectFrom("outbox").selectAll().where("email", "=", email).execute();
  const liveTokens = (userId: string) =>
    appOf()
      .latchkey.db.selectFrom("one_time_tokens")
      .select("token_hash")
      .where("user_id", "=", userId)
      .where("used_at", "is", null)
      .where("expires_at", ">", appOf().clock.now())
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
