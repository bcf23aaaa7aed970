import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import bcrypt from "bcrypt";
import fc from "fast-check";
import { systemClock } from "../../src/clock.js";
import { OneTimeTokens } from "../../src/services/email/one-time-tokens.js";
import { findPasswordHash } from "../../src/storage/credentials.js";
import { type App, makeApp, NEW_PASSWORD, PASSWORD } from "../support/app.js";
import { DATABASES } from "../support/databases.js";
import {
  CHANGE_PASSWORD,
  LOGIN,
  ME,
  PASSWORD_STRENGTH,
  REFRESH,
  REGISTER,
  RESET_PASSWORD,
  VERIFY_EMAIL,
} from "../support/operations.js";
import { type Server, startServer } from "../support/server.js";
import { auditEventsOf } from "../support/tables.js";

const ROUNDS = 3;
/** How long after an acknowledged request the process is killed, in milliseconds. The same in every run. */
const MOMENTS = fc.sample(fc.integer({ min: 0, max: 300 }), { seed: 71, numRuns: ROUNDS });
/** The same issuer as makeApp(), so that each accepts the other's tokens; open registration; emails stay queued. */
const ENV = {
  PUBLIC_URL: "http://localhost:4000",
  REGISTRATION: "open",
  SMTP_URL: "smtp://127.0.0.1:1",
};

/** A request of a client, and whether its success was acknowledged. */
interface Attempt {
  username: string;
  acknowledged: boolean;
  accessToken?: string | undefined;
}

describe.each(DATABASES)("a process that is killed repeatedly on %s", (database) => {
  let app: App;
  let server: Server | undefined;
  beforeEach(async () => {
    app = await makeApp({ database, clock: systemClock });
  });
  afterEach(async () => {
    await server?.end("SIGKILL");
    await app.close();
  });

  test(`${ROUNDS} times during refresh, register, reset and password change: each is done completely or not at all, and always if it was acknowledged`, async () => {
    const { db } = app.latchkey;
    await app.createUser("root");
    let users = 0;
    /** Creates a user and signs them in. */
    async function signIn() {
      const username = `user-${users++}`;
      const { id, email } = await app.createUser(username);
      return { id, email, username, ...(await app.login(username)) };
    }
    const tokens = new OneTimeTokens({ clock: systemClock });
    const sessions = await Promise.all([signIn(), signIn()]);
    const held = sessions.map(({ refreshToken }) => refreshToken);
    const all = { registered: [] as Attempt[], reset: [] as Attempt[], changed: [] as Attempt[] };
    let refreshes = 0;

    for (const [round, moment] of MOMENTS.entries()) {
      const running = await startServer(app.databaseUrl, ENV);
      server = running;
      const from = { from: `203.0.113.${round + 1}` };
      const people = await Promise.all(Array.from({ length: 8 }, signIn));
      const resets = await Promise.all(
        people.slice(0, 4).map(async ({ id, email, username }) => ({
          username,
          token: (await tokens.issue(db, "PASSWORD_RESET", { userId: id, email })).token,
        })),
      );
      // The first passwords of a process take longer than the others.
      await running.send(LOGIN, { username: "root", password: PASSWORD }, from);
      await running.send(PASSWORD_STRENGTH, { password: PASSWORD }, from);
      const clients = [
        ...held.map(async (_, n) => {
          for (;;) {
            const { data } = await running.send(REFRESH, { refreshToken: held[n]! }, from);
            held[n] = data!.refreshToken.refreshToken!;
            refreshes++;
          }
        }),
        (async () => {
          for (;;) {
            const attempt: Attempt = { username: `new-${users++}`, acknowledged: false };
            all.registered.push(attempt);
            const input = {
              username: attempt.username,
              email: `${attempt.username}@example.com`,
              password: PASSWORD,
            };
            const { errors } = await running.send(REGISTER, { input }, from);
            if (errors) throw new Error(JSON.stringify(errors));
            attempt.acknowledged = true;
          }
        })(),
        (async () => {
          for (const { username, token } of resets) {
            const attempt: Attempt = { username, acknowledged: false };
            all.reset.push(attempt);
            const { data } = await running.send(RESET_PASSWORD, { token, newPassword: NEW_PASSWORD }, from);
            attempt.acknowledged = data!.resetPassword;
          }
        })(),
        (async () => {
          for (const { username, accessToken: token } of people.slice(4)) {
            const attempt: Attempt = { username, acknowledged: false };
            all.changed.push(attempt);
            const passwords = { currentPassword: PASSWORD, newPassword: NEW_PASSWORD };
            const { data } = await running.send(CHANGE_PASSWORD, passwords, { token, ...from });
            attempt.accessToken = data!.changePassword.accessToken;
            attempt.acknowledged = true;
          }
        })(),
      ];
      const ended = Promise.allSettled(clients);
      // Each round waits for another kind of request.
      const awaited = Object.values(all)[round % 3]!;
      const before = awaited.filter(({ acknowledged }) => acknowledged).length;
      const deadline = performance.now() + 20_000;
      while (awaited.filter(({ acknowledged }) => acknowledged).length === before) {
        if (performance.now() > deadline) throw new Error("nothing was acknowledged");
        await setTimeout(5);
      }
      await setTimeout(moment);
      await running.end("SIGKILL");
      // Each client was cut off or had finished. None was refused.
      for (const end of await ended)
        if (end.status === "rejected")
          expect(String(end.reason)).toMatch(/fetch failed|terminated|SyntaxError/);
      for (const [n, refreshToken] of held.entries()) {
        const { data } = await app.send(REFRESH, { refreshToken });
        held[n] = data!.refreshToken.refreshToken!;
        expect((await app.send(ME, {}, { token: data!.refreshToken.accessToken })).status).toBe(200);
      }
    }

    for (const attempt of all.registered) await expectWholeRegistration(app, attempt);
    for (const attempt of all.reset) await expectWholeChange(app, attempt, "PASSWORD_RESET");
    for (const attempt of all.changed) await expectWholeChange(app, attempt, "PASSWORD_CHANGED");
    await expectWholeSessions(app);
    expect(refreshes).toBeGreaterThan(0);
    for (const attempts of Object.values(all))
      expect(attempts.some(({ acknowledged }) => acknowledged)).toBe(true);
    // Otherwise no request was interrupted.
    expect(
      Object.values(all)
        .flat()
        .some(({ acknowledged }) => !acknowledged),
    ).toBe(true);
  }, 120_000);
});

/** Expects the user with a password, an event and a queued email, or nothing at all. */
async function expectWholeRegistration(app: App, { username, acknowledged }: Attempt): Promise<void> {
  const { db } = app.latchkey;
  const user = await db.selectFrom("users").selectAll().where("username", "=", username).executeTakeFirst();
  if (acknowledged) expect({ username, user }).toMatchObject({ user: { username } });
  const emails = await db
    .selectFrom("outbox")
    .select("kind")
    .where("email", "=", `${username}@example.com`)
    .execute();
  expect(emails).toEqual(user ? [{ kind: "REGISTRATION" }] : []);
  if (user === undefined) return;
  expect(await findPasswordHash(db, user.id)).toBeDefined();
  expect(await auditEventsOf(db, user.id)).toMatchObject([{ type: "ACCOUNT_REGISTERED" }]);
  const { token } = await new OneTimeTokens({ clock: systemClock }).issue(db, "EMAIL_VERIFICATION", {
    userId: user.id,
    email: user.email,
  });
  expect((await app.send(VERIFY_EMAIL, { token })).data).toEqual({ verifyEmail: true });
  expect((await app.login(username)).user.username).toBe(username);
}

/** Expects the new password with all its effects, or the old one without any. */
async function expectWholeChange(
  app: App,
  { username, acknowledged, accessToken }: Attempt,
  type: "PASSWORD_RESET" | "PASSWORD_CHANGED",
): Promise<void> {
  const { db } = app.latchkey;
  const user = await db
    .selectFrom("users")
    .selectAll()
    .where("username", "=", username)
    .executeTakeFirstOrThrow();
  const hash = await findPasswordHash(db, user.id);
  const [old, changed] = await Promise.all([
    bcrypt.compare(PASSWORD, hash!),
    bcrypt.compare(NEW_PASSWORD, hash!),
  ]);
  expect([old, changed]).toEqual(changed ? [false, true] : [true, false]);
  if (acknowledged) expect({ username, changed }).toEqual({ username, changed: true });
  const sessions = await db
    .selectFrom("sessions")
    .select("ended_at")
    .where("user_id", "=", user.id)
    .orderBy("id")
    .execute();
  const ended = sessions.map(({ ended_at }) => ended_at !== null);
  // A user who changes the password continues in a new session.
  expect(ended).toEqual(changed ? (type === "PASSWORD_CHANGED" ? [true, false] : [true]) : [false]);
  const events = await auditEventsOf(db, user.id);
  expect(events.filter((event) => event.type === type)).toHaveLength(changed ? 1 : 0);
  const emails = await db
    .selectFrom("outbox")
    .select("kind")
    .where("email", "=", user.email)
    .where("kind", "=", "PASSWORD_CHANGED")
    .execute();
  expect(emails).toHaveLength(changed ? 1 : 0);
  const tokens = await db
    .selectFrom("one_time_tokens")
    .select("used_at")
    .where("user_id", "=", user.id)
    .where("purpose", "=", "PASSWORD_RESET")
    .execute();
  // A new password consumes the token that set it, and deletes every other.
  const used = tokens.map(({ used_at }) => used_at !== null);
  expect(used).toEqual(type === "PASSWORD_RESET" ? [changed] : []);
  if (accessToken !== undefined) expect((await app.send(ME, {}, { token: accessToken })).status).toBe(200);
}

/** Expects every session to have a user and a current refresh token. */
async function expectWholeSessions({ latchkey: { db } }: App): Promise<void> {
  const sessions = await db
    .selectFrom("sessions")
    .leftJoin("users", "users.id", "sessions.user_id")
    .select(["users.username", "refresh_token_hash"])
    .execute();
  expect(sessions.filter((row) => row.username === null || row.refresh_token_hash === null)).toEqual([]);
}
