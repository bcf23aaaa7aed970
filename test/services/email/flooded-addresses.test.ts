import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { idsFrom, MINUTE } from "../../../src/clock.js";
import type { PrintedMailer } from "../../../src/email/printed.js";
import { insertUser } from "../../../src/storage/users.js";
import { type App, makeApp, PASSWORD } from "../../support/app.js";
import { DATABASES } from "../../support/databases.js";
import {
  REGISTER,
  REQUEST_EMAIL_CHANGE,
  REQUEST_EMAIL_VERIFICATION,
  VERIFY_EMAIL,
} from "../../support/operations.js";

/** The longest back-off between two emails of a kind to one address, rounded up to minutes. */
const BACK_OFF = 18;
const HOME = "192.0.2.10";

const visible = (text: string) => text.replace(/\p{Default_Ignorable_Code_Point}/gu, "");

describe.each(DATABASES)("an address that strangers flood on %s", (database) => {
  let app: App;
  let newId: () => string;
  let strangers: number;
  beforeEach(async () => {
    app = await makeApp({ database });
    newId = idsFrom(app.clock);
    strangers = 0;
  });
  afterEach(() => app.close());

  /** Oldest first. */
  const textsTo = (email: string) =>
    (app.latchkey.mailer as PrintedMailer).emails
      .filter(({ to }) => to === email)
      .map(({ text }) => visible(text))
      .reverse();
  const register = async (username: string, email: string, from: string) => {
    const answer = await app.send(REGISTER, { input: { username, email, password: PASSWORD } }, { from });
    expect(answer.data).toEqual({ register: { username, email } });
    await app.latchkey.outbox.deliverDue();
  };
  /** What `register` leaves in the database, without hashing a password for each. */
  const registerStrangers = async (count: number, email: string) => {
    const { db, outbox } = app.latchkey;
    const now = app.clock.now();
    for (let n = 0; n < count; n++, strangers++) {
      await insertUser(db, {
        id: newId(),
        username: `stranger-${strangers}`,
        email,
        emailVerifiedAt: null,
        fullName: null,
        disabledAt: null,
        roles: ["USER"],
        createdAt: now,
        updatedAt: now,
        mfaMethods: [],
      });
      await outbox.enqueue(db, { kind: "REGISTRATION", email });
      await outbox.deliverDue();
    }
  };
  /** Lets time pass minute by minute, and sends the emails that are due. */
  async function pass(minutes: number): Promise<void> {
    for (let minute = 0; minute < minutes; minute++) {
      app.clock.advance(MINUTE);
      await app.latchkey.outbox.deliverDue();
    }
  }
  /** Returns the token of the latest link that names the account. */
  const linkFor = (username: string, email: string) =>
    textsTo(email)
      .map(
        (text) =>
          new RegExp(
            `(?:Confirm for ${username}:|username ${username} with)[^=]+token=([\\w-]{43})$`,
            "m",
          ).exec(text)?.[1],
      )
      .findLast((token) => token !== undefined);

  test.each([
    [22, 0],
    [0, 22],
    [50, 50],
  ])(
    "by %i sign-ups before the owner's, %i after it, and a steady stream of more does not keep the owner out (rows 16, 43)",
    async (before, after) => {
      const email = "owner@example.com";
      await registerStrangers(before, email);
      await register("owner", email, HOME);
      await registerStrangers(after, email);

      let requests = 0;
      do {
        // As many as one network can send in this time.
        await registerStrangers(15, email);
        const answer = await app.send(REQUEST_EMAIL_VERIFICATION, { email }, { from: HOME });
        expect(answer.data).toEqual({ requestEmailVerification: true });
        await pass(BACK_OFF);
        requests++;
      } while (linkFor("owner", email) === undefined && requests < 10);
      expect(requests).toBeLessThan(10);
      const verified = await app.send(VERIFY_EMAIL, { token: linkFor("owner", email)! }, { from: HOME });
      expect(verified.data).toEqual({ verifyEmail: true });
      expect((await app.login(email)).user.username).toBe("owner");
      // No email is too long to read.
      for (const text of textsTo(email)) expect(text.match(/token=/g)!.length).toBeLessThanOrEqual(20);
    },
  );

  test("by accounts that request to change to it receives the link of another user without delay", async () => {
    const email = "new@example.com";
    const ask = async (username: string, from: string) => {
      await app.createUser(username);
      const { accessToken: token } = await app.login(username);
      for (let n = 0; n < 6; n++) {
        const answer = await app.send(REQUEST_EMAIL_CHANGE, { newEmail: email }, { token, from });
        expect(answer.data).toEqual({ requestEmailChange: true });
        await app.latchkey.outbox.deliverDue();
      }
    };
    for (let n = 0; n < 8; n++) await ask(`stranger-${n}`, `198.51.100.${n}`);
    const before = textsTo(email).length;
    await ask("owner", HOME);
    expect(textsTo(email)[before]).toContain("The account owner asked");
    // Repeated requests of one account are still delayed.
    expect(textsTo(email).filter((text) => text.includes("The account owner asked"))).toHaveLength(5);
  });
});
