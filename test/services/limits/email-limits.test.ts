import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { MINUTE, SECOND } from "../../../src/clock.js";
import type { PrintedMailer } from "../../../src/email/printed.js";
import { type App, makeApp, NEW_PASSWORD, PASSWORD } from "../../support/app.js";
import { attemptsOn, network } from "../../support/attempts.js";
import { DATABASES } from "../../support/databases.js";
import {
  REGISTER,
  REQUEST_EMAIL_VERIFICATION,
  REQUEST_PASSWORD_RESET,
  RESET_PASSWORD,
  VERIFY_EMAIL,
} from "../../support/operations.js";

describe.each(DATABASES)("attempts on %s", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database });
  });
  afterAll(() => app.close());

  const { login, fail } = attemptsOn(() => app);

  /** Returns the emails to the address since the last call, newest first. */
  function sentTo(address: string): string[] {
    const { emails } = app.latchkey.mailer as PrintedMailer;
    const texts = emails
      .filter((message) => message.to === address && !seen.has(message))
      .map(({ text }) => text);
    for (const message of emails) seen.add(message);
    return texts;
  }
  const seen = new WeakSet<object>();

  /** Lets time pass, and sends the emails that are due. */
  async function pass(time: number, step = MINUTE) {
    for (let passed = 0; passed < time; passed += step) {
      app.clock.advance(step);
      await app.latchkey.outbox.deliverDue();
    }
  }

  const requestReset = (email: string, from: string) => app.send(REQUEST_PASSWORD_RESET, { email }, { from });
  const requestVerification = (email: string, from: string) =>
    app.send(REQUEST_EMAIL_VERIFICATION, { email }, { from });
  const tokenIn = (text: string | undefined) => /token=([\w-]{43})/.exec(text ?? "")?.[1] ?? "";

  test("to have emails sent are limited for a network, whatever the address and whether anything was sent (rows 19, 43)", async () => {
    const { email } = await app.createUser("klara");
    for (const [address, from] of [
      [email, "192.0.2.70"],
      ["nobody@example.org", "192.0.2.71"],
    ] as const) {
      for (let n = 0; n < 50; n++) {
        const request = n % 2 === 0 ? requestReset : requestVerification;
        expect((await request(address, from)).errors).toBeUndefined();
        await app.latchkey.outbox.deliverDue();
      }
      for (const request of [requestReset, requestVerification]) {
        const { errors } = await request(address, from);
        expect(errors?.[0]?.extensions).toEqual({ code: "RATE_LIMITED", retryAfter: 3600 });
      }
    }
    // Requests for one kind of email do not delay another.
    expect(sentTo(email).length).toBe(5);
  });

  test("to keep the owner out with requests for emails that are never sent do not delay a reset (rows 16, 43)", async () => {
    const { email } = await app.createUser("lena");
    await fail(5, "lena", "192.0.2.72");
    for (let n = 0; n < 9; n++) await fail(5, "lena", network(n));
    for (let n = 0; n < 70; n++) {
      await requestVerification(email, "192.0.2.72");
      await app.latchkey.outbox.deliverDue();
      app.clock.advance(SECOND);
    }
    const home = "192.0.2.73";
    expect((await login("lena", PASSWORD, home)).outcome).toBe("RATE_LIMITED");
    expect((await requestReset(email, home)).data).toEqual({ requestPasswordReset: true });
    await app.latchkey.outbox.deliverDue();
    const token = tokenIn(sentTo(email)[0]);
    expect(
      (await app.send(RESET_PASSWORD, { token, newPassword: NEW_PASSWORD }, { from: home })).data,
    ).toEqual({
      resetPassword: true,
    });
    expect((await login("lena", NEW_PASSWORD, home)).outcome).toBe("OK");
  });

  test("to have emails sent delay no other kind and, if nothing was sent, not their own either (rows 16, 43)", async () => {
    const email = "lotte@example.com";
    for (let n = 0; n < 6; n++) {
      await requestReset(email, network(n));
      await app.latchkey.outbox.deliverDue();
    }
    await app.createUser("lotte");
    for (let n = 0; n < 6; n++) {
      const input = { username: `not-lotte-${n}`, email, password: NEW_PASSWORD };
      await app.send(REGISTER, { input }, { from: network(n) });
      await app.latchkey.outbox.deliverDue();
    }
    expect(sentTo(email).map(tokenIn)).toEqual(Array(5).fill(""));
    await requestReset(email, "192.0.2.76");
    await app.latchkey.outbox.deliverDue();
    expect(sentTo(email).map(tokenIn)).toEqual([expect.stringMatching(/^.{43}$/)]);
  });

  test("to flood a mailbox from many networks send few emails, and the owner's reset within 17 minutes (rows 16, 43)", async () => {
    const { email } = await app.createUser("mona");
    let n = 0;
    let sent = 0;
    // For an hour and a half, three times a minute.
    for (let minute = 0; minute < 90; minute++) {
      for (let k = 0; k < 3; k++) expect((await requestReset(email, network(n++))).errors).toBeUndefined();
      await pass(MINUTE);
      sent += sentTo(email).length;
    }
    // 5, then one after each of 1, 2, 4, … seconds, and finally one every 17 minutes.
    expect([sent > 10, sent <= 22, sent]).toEqual([true, true, sent]);
    // However many requests there are, one email is queued for each address.
    const waiting = app.latchkey.db.selectFrom("outbox").selectAll().where("email", "=", email);
    expect((await waiting.execute()).length).toBeLessThanOrEqual(1);

    await requestReset(email, "192.0.2.74");
    let text: string | undefined;
    for (let minute = 0; minute < 18 && text === undefined; minute++) {
      await requestReset(email, network(n++));
      await pass(MINUTE);
      text = sentTo(email)[0];
    }
    // The flood goes on while the owner sets the password.
    for (let k = 0; k < 20; k++) await requestReset(email, network(n++));
    await app.latchkey.outbox.deliverDue();
    const reset = { token: tokenIn(text), newPassword: NEW_PASSWORD };
    expect((await app.send(RESET_PASSWORD, reset, { from: "192.0.2.74" })).data).toEqual({
      resetPassword: true,
    });
    // Emails queued for the old password are not sent.
    expect(await waiting.where("kind", "=", "PASSWORD_RESET").execute()).toEqual([]);
  });

  test("to sign up with an address, however many, do not keep its owner out (rows 16, 43)", async () => {
    const email = "nina@example.org";
    const register = (username: string, from: string) =>
      app.send(REGISTER, { input: { username, email, password: NEW_PASSWORD } }, { from });
    for (let n = 0; n < 40; n++) {
      expect((await register(`squatter-${n}`, network(n))).errors).toBeUndefined();
      await requestVerification(email, network(n));
      await pass(SECOND, SECOND);
    }
    // 5 of each kind immediately, and few more within 40 seconds.
    expect([sentTo(email).length >= 10, sentTo(email).length <= 20]).toEqual([true, true]);
    const home = "192.0.2.75";
    expect((await register("nina", home)).data?.register.username).toBe("nina");
    expect((await requestVerification(email, home)).data).toEqual({ requestEmailVerification: true });
    await pass(18 * MINUTE);
    const tokens = sentTo(email).flatMap((text) =>
      [...text.matchAll(/token=([\w-]{43})/g)].map(([, token]) => token!),
    );
    for (const token of tokens) await app.send(VERIFY_EMAIL, { token }, { from: home });
    expect((await login(email, NEW_PASSWORD, home)).outcome).toBe("OK");
  });

  test("to change to another user's address send few emails, and do not delay those of that user", async () => {
    const email = "olga@example.org";
    for (const username of ["oskar", "otto"]) {
      const { id } = await app.createUser(username);
      for (let k = 0; k < 6; k++) {
        await app.latchkey.outbox.enqueue(app.latchkey.db, { kind: "EMAIL_CHANGE", email, userId: id });
        await app.latchkey.outbox.deliverDue();
      }
      expect(sentTo(email).length).toBe(5);
    }
    const waiting = app.latchkey.db.selectFrom("outbox").select("user_id").where("email", "=", email);
    expect((await waiting.execute()).length).toBe(2);
    await pass(4 * SECOND, SECOND);
    expect(sentTo(email).length).toBe(2);
  });
});
