import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { DAY } from "../../../src/clock.js";
import type { PrintedMailer } from "../../../src/email/printed.js";
import {
  DELETE_USER,
  DISABLE_USER,
  ENABLE_USER,
  UPDATE_USER,
} from "../../support/administration-operations.js";
import { codeOf, errorOf, INVALID_TOKEN } from "../../support/answers.js";
import { type App, makeApp, NEW_PASSWORD, PASSWORD } from "../../support/app.js";
import { DATABASES } from "../../support/databases.js";
import { emailedToken } from "../../support/emails.js";
import { hold } from "../../support/held.js";
import {
  CHANGE_PASSWORD,
  CONFIRM_EMAIL_CHANGE,
  DELETE_ACCOUNT,
  LOGIN,
  ME,
  REAUTHENTICATE,
  REFRESH,
  REGISTER,
  REQUEST_EMAIL_CHANGE,
  REQUEST_PASSWORD_RESET,
  RESET_PASSWORD,
  UPDATE_PROFILE,
} from "../../support/operations.js";
import { auditEventsOf } from "../../support/tables.js";
import { makeUser, type SignedIn } from "../../support/users.js";

const OTHER_PASSWORD = "CANARY-yet-a-third-set-of-words";

describe.each(DATABASES)("access to an account on %s", (database) => {
  let app: App;
  let admin: SignedIn;
  beforeAll(async () => {
    app = await makeApp({ database });
    admin = await makeUser(app, "root", ["ADMIN"]);
  });
  afterAll(() => app.close());

  const requestEmailChange = ({ token, username }: SignedIn) =>
    app.send(REQUEST_EMAIL_CHANGE, { newEmail: `thief-of-${username}@example.com` }, { token });
  const emailsTo = (email: string) =>
    (app.latchkey.mailer as PrintedMailer).emails.filter(({ to }) => to === email);

  /** Each way in which an account gets a new password, or is disabled. */
  const ACTS: Record<string, (person: SignedIn) => Promise<unknown>> = {
    async changePassword({ token }) {
      const passwords = { currentPassword: PASSWORD, newPassword: NEW_PASSWORD };
      return (await app.send(CHANGE_PASSWORD, passwords, { token })).data;
    },
    async resetPassword({ email }) {
      await app.send(REQUEST_PASSWORD_RESET, { email });
      const token = await emailedToken(app, email);
      return (await app.send(RESET_PASSWORD, { token, newPassword: NEW_PASSWORD })).data;
    },
    async "the operator's set-password"({ username }) {
      await app.latchkey.operator.setPassword(username, NEW_PASSWORD);
      return true;
    },
    async disableUser({ id }) {
      const { data } = await app.send(DISABLE_USER, { id }, admin);
      await app.send(ENABLE_USER, { id }, admin);
      return data;
    },
    async "the operator's disable"({ id, username }) {
      await app.latchkey.operator.disable(username);
      await app.send(ENABLE_USER, { id }, admin);
      return true;
    },
  };

  describe.each(Object.entries(ACTS))("after %s", (name, act) => {
    test("a token to change the address does nothing", async () => {
      const person = await makeUser(app);
      expect((await requestEmailChange(person)).data).toEqual({ requestEmailChange: true });
      const token = await emailedToken(app, `thief-of-${person.username}@example.com`);
      expect(await act(person)).toBeTruthy();
      expect(errorOf(await app.send(CONFIRM_EMAIL_CHANGE, { token }))).toEqual(INVALID_TOKEN);
      expect(await app.latchkey.administration.get(person.id)).toMatchObject({ email: person.email });
    });

    test("a queued email to confirm a change of the address is not sent", async () => {
      const person = await makeUser(app);
      const { db, outbox } = app.latchkey;
      const email = `thief-of-${person.username}@example.com`;
      const waiting = db.updateTable("outbox").where("user_id", "=", person.id);
      await db.transaction().execute(async (transaction) => {
        await outbox.enqueue(transaction, { kind: "EMAIL_CHANGE", email, userId: person.id });
        const later = { next_attempt_at: app.clock.now() + DAY };
        await transaction.updateTable("outbox").where("user_id", "=", person.id).set(later).execute();
      });
      expect(await act(person)).toBeTruthy();
      await waiting.set({ next_attempt_at: 0 }).execute();
      await outbox.deliverDue();
      expect(emailsTo(email)).toEqual([]);
    });

    test("an earlier token to reset the password, sent or not, does nothing", async () => {
      const person = await makeUser(app);
      await app.send(REQUEST_PASSWORD_RESET, { email: person.email });
      const token = await emailedToken(app, person.email);
      if (name === "resetPassword") {
        expect((await app.send(RESET_PASSWORD, { token, newPassword: NEW_PASSWORD })).data).toBeTruthy();
      } else {
        expect(await act(person)).toBeTruthy();
      }
      const again = await app.send(RESET_PASSWORD, { token, newPassword: OTHER_PASSWORD });
      expect(errorOf(again)).toEqual(INVALID_TOKEN);
    });

    test("every session has ended, with one event each", async () => {
      const person = await makeUser(app);
      const { accessToken, refreshToken } = await app.login(person.username);
      const before = await app.latchkey.sessions.list(person.id, { first: 100, after: undefined });
      expect(await act(person)).toBeTruthy();
      for (const token of [person.token, accessToken]) {
        expect(errorOf(await app.send(ME, {}, { token }))?.extensions).toEqual({
          code: "UNAUTHENTICATED",
          reason: "SESSION_REVOKED",
        });
      }
      expect(codeOf(await app.send(REFRESH, { refreshToken }))).toBe("INVALID_TOKEN");
      const events = await auditEventsOf(app.latchkey.db, person.id);
      const ended = events.flatMap(({ type, sessionId }) => (type === "SESSION_REVOKED" ? [sessionId] : []));
      expect(ended.sort()).toEqual(before.map(({ id }) => id).sort());
    });

    test("failed attempts are counted from zero, and no earlier network is known", async () => {
      const person = await makeUser(app);
      const { db } = app.latchkey;
      const guess = () =>
        app.send(LOGIN, { username: person.username, password: "wrong" }, { from: "192.0.2.9" });
      for (let n = 0; n < 5; n++) expect(codeOf(await guess())).toBe("INVALID_CREDENTIALS");
      expect(codeOf(await guess())).toBe("RATE_LIMITED");
      await db
        .insertInto("known_networks")
        .values({ user_id: person.id, network: "203.0.113.1", expires_at: Number.MAX_SAFE_INTEGER })
        .execute();
      expect(await act(person)).toBeTruthy();
      const known = await db
        .selectFrom("known_networks")
        .select("network")
        .where("user_id", "=", person.id)
        .execute();
      const byOwner = name === "changePassword" || name === "resetPassword";
      expect(known).toEqual(byOwner ? [{ network: "127.0.0.1" }] : []);
      expect(codeOf(await guess())).toBe("INVALID_CREDENTIALS");
    });
  });

  test("of two concurrent changes from the same password, the first wins", async () => {
    const { username, id, token } = await makeUser(app);
    const change = (newPassword: string) =>
      app.send(CHANGE_PASSWORD, { currentPassword: PASSWORD, newPassword }, { token });
    const held = await hold(app, [`update users set updated_at = updated_at where id = '${id}'`]);
    const answers = [change(NEW_PASSWORD), change(OTHER_PASSWORD)];
    await held.waited(2);
    await held.commit();
    const codes = (await Promise.all(answers)).map(codeOf);
    // By then the session of the second has ended, so its password is not checked again.
    expect(codes.toSorted()).toEqual(["UNAUTHENTICATED", undefined]);
    const [won, lost] =
      codes[0] === undefined ? [NEW_PASSWORD, OTHER_PASSWORD] : [OTHER_PASSWORD, NEW_PASSWORD];
    expect((await app.login(username, won)).user.id).toBe(id);
    expect(codeOf(await app.send(LOGIN, { username, password: lost }))).toBe("INVALID_CREDENTIALS");
  });

  test.each([
    [
      "changePassword",
      (token: string) =>
        app.send(CHANGE_PASSWORD, { currentPassword: PASSWORD, newPassword: NEW_PASSWORD }, { token }),
    ],
    ["reauthenticate", (token: string) => app.send(REAUTHENTICATE, { password: PASSWORD }, { token })],
  ] as const)("%s is refused when its password was replaced while it was checked", async (name, send) => {
    const { id, token } = await makeUser(app);
    // The password changes without ending the sessions, which no part of Latchkey does.
    const held = await hold(app, [
      `update users set updated_at = updated_at where id = '${id}'`,
      `update credentials set password_hash = 'another' where user_id = '${id}'`,
    ]);
    const answer = send(token);
    await held.waited();
    await held.commit();
    expect(errorOf(await answer)).toEqual({
      message: name === "changePassword" ? "The current password is wrong." : "The password is wrong.",
      extensions: { code: "INVALID_CREDENTIALS" },
    });
    expect(await app.latchkey.administration.get(id)).toMatchObject({ id });
  });

  test("a profile update that changes nothing is not an audit event", async () => {
    const { id, token } = await makeUser(app);
    for (const input of [{}, { fullName: null }]) {
      expect((await app.send(UPDATE_PROFILE, { input }, { token })).data).toBeTruthy();
    }
    const events = await auditEventsOf(app.latchkey.db, id);
    expect(events.map(({ type }) => type)).not.toContain("PROFILE_UPDATED");
    await app.send(UPDATE_PROFILE, { input: { fullName: "Changed" } }, { token });
    expect((await auditEventsOf(app.latchkey.db, id)).at(-1)).toMatchObject({
      type: "PROFILE_UPDATED",
      details: { changed: ["fullName"] },
    });
  });

  test("a deleted account is inaccessible immediately, and its data is removed in batches", async () => {
    const { id, username, email, token } = await makeUser(app);
    const { refreshToken } = await app.login(username);
    await app.send(REQUEST_PASSWORD_RESET, { email });
    const reset = await emailedToken(app, email);
    const { db, jobs, administration, operator } = app.latchkey;
    const rows = Array.from({ length: 450 }, (_, n) => ({
      id: `0190a0a0-0000-7000-8000-${String(n).padStart(12, "0")}`,
      owner_id: id,
      title: "t",
      description: null,
      created_at: n,
      updated_at: n,
    }));
    await db.insertInto("items").values(rows).execute();
    expect((await app.send(DELETE_ACCOUNT, {}, { token })).data).toBeTruthy();

    const left = async () =>
      Number(
        (
          await db
            .selectFrom("items")
            .select((s) => s.fn.countAll().as("n"))
            .where("owner_id", "=", id)
            .executeTakeFirstOrThrow()
        ).n,
      );
    // The request did not wait for their removal.
    expect(await left()).toBe(450);
    expect(errorOf(await app.send(ME, {}, { token }))?.extensions).toEqual({
      code: "UNAUTHENTICATED",
      reason: "INVALID_TOKEN",
    });
    expect(codeOf(await app.send(REFRESH, { refreshToken }))).toBe("INVALID_TOKEN");
    expect(codeOf(await app.send(RESET_PASSWORD, { token: reset, newPassword: NEW_PASSWORD }))).toBe(
      "INVALID_TOKEN",
    );
    for (const login of [username, email, id]) {
      expect(codeOf(await app.send(LOGIN, { username: login, password: PASSWORD }))).toBe(
        "INVALID_CREDENTIALS",
      );
    }
    await expect(administration.get(id)).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(operator.get(username)).rejects.toMatchObject({ code: "NOT_FOUND" });
    for (const answer of [
      await app.send(UPDATE_USER, { id, input: { fullName: "x" } }, admin),
      await app.send(ENABLE_USER, { id }, admin),
      await app.send(DELETE_USER, { id }, admin),
    ]) {
      expect(codeOf(answer)).toBe("NOT_FOUND");
    }
    for await (const user of operator.list()) expect(user.id).not.toBe(id);
    expect(
      (await administration.page({ first: 1000, after: undefined }, {})).map((user) => user.id),
    ).not.toContain(id);
    // Personal data is removed without waiting for the job.
    const row = await db.selectFrom("users").selectAll().where("id", "=", id).executeTakeFirstOrThrow();
    expect(JSON.stringify(row)).not.toContain(username);
    // The username and the address are available immediately.
    const again = await app.send(REGISTER, { input: { username, email, password: OTHER_PASSWORD } });
    expect(again.errors).toBeUndefined();

    app.clock.advance(DAY);
    await jobs.runDue();
    expect(await left()).toBe(0);
    expect(await db.selectFrom("users").selectAll().where("id", "=", id).execute()).toEqual([]);
    expect(await db.selectFrom("sessions").selectAll().where("user_id", "=", id).execute()).toEqual([]);
  });
});
