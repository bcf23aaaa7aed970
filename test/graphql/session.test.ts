import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { decodeJwt } from "jose";
import { DAY, HOUR, SECOND } from "../../src/clock.js";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { DATABASES } from "../support/databases.js";
import { type Held, hold } from "../support/held.js";
import {
  LOGIN,
  LOGOUT,
  ME,
  MY_SESSIONS,
  REFRESH,
  REVOKE_OTHER_SESSIONS,
  REVOKE_SESSION,
} from "../support/operations.js";
import { sessionsOn, sidOf } from "../support/sessions.js";
import { auditEventsOf } from "../support/tables.js";

describe.each(DATABASES)("sessions on %s", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database });
  });
  afterAll(() => app.close());
  const { signIn, refresh, expectRefused, reasonFor } = sessionsOn(() => app);

  describe("ending", () => {
    test("logout ends the session of the token (row 34)", async () => {
      const [here, other] = [await signIn(), await signIn()];
      const elsewhere = await app.login(here.username);
      const { data } = await app.send(LOGOUT, {}, { token: here.accessToken });
      expect(data).toEqual({ logout: true });
      expect(await reasonFor(here.accessToken)).toBe("SESSION_REVOKED");
      await expectRefused(here.refreshToken);
      expect(await reasonFor(elsewhere.accessToken)).toBeUndefined();
      expect(await reasonFor(other.accessToken)).toBeUndefined();
      expect((await auditEventsOf(app.latchkey.db, here.user.id)).at(-1)).toEqual({
        type: "LOGGED_OUT",
        actorId: here.user.id,
        sessionId: sidOf(here.accessToken),
        details: {},
      });
    });

    test("mySessions lists the live ones, newest first (row 40)", async () => {
      const first = await signIn();
      app.clock.advance(SECOND);
      const headers = { "user-agent": `Firefox/1 ${"x".repeat(400)}` };
      const second = (await app.send(LOGIN, { username: first.username, password: PASSWORD }, { headers }))
        .data!.login;
      const third = await app.login(first.username);
      await app.send(LOGOUT, {}, { token: third.accessToken });
      await signIn();
      app.clock.advance(SECOND);
      const now = app.clock.now();
      const { accessToken } = await refresh(first.refreshToken);

      const { data } = await app.send(MY_SESSIONS, {}, { token: accessToken });
      const iso = (time: number) => new Date(time).toISOString();
      expect(data?.mySessions).toEqual([
        {
          id: sidOf(second.accessToken),
          createdAt: iso(now - SECOND),
          lastUsedAt: iso(now - SECOND),
          expiresAt: iso(now - SECOND + 14 * DAY),
          userAgent: headers["user-agent"].slice(0, 256),
          ipAddress: "127.0.0.1",
          authenticatedAt: iso(now - SECOND),
          authenticationMethods: ["PASSWORD"],
          current: false,
        },
        {
          id: sidOf(first.accessToken),
          createdAt: iso(now - 2 * SECOND),
          lastUsedAt: iso(now),
          expiresAt: iso(now + 14 * DAY),
          userAgent: "node",
          ipAddress: "127.0.0.1",
          authenticatedAt: iso(now - 2 * SECOND),
          authenticationMethods: ["PASSWORD"],
          current: true,
        },
      ]);
    });

    test("mySessions pages through them", async () => {
      const user = await signIn();
      const ids = [sidOf(user.accessToken)];
      for (let n = 0; n < 4; n++) ids.unshift(sidOf((await app.login(user.username)).accessToken));
      const page = async (variables: { first?: number; after?: string }) => {
        const { data } = await app.send(MY_SESSIONS, variables, { token: user.accessToken });
        return data!.mySessions.map(({ id }) => id);
      };
      expect(await page({})).toEqual(ids);
      expect(await page({ first: 2 })).toEqual(ids.slice(0, 2));
      expect(await page({ first: 2, after: ids[1]! })).toEqual(ids.slice(2, 4));
      expect(await page({ after: ids[4]! })).toEqual([]);
      for (const [field, variables] of Object.entries({
        first: [{ first: 0 }, { first: 101 }],
        after: [{ after: "\0" }],
      }))
        for (const each of variables) {
          const { status, errors } = await app.send(MY_SESSIONS, each, { token: user.accessToken });
          expect([status, errors?.[0]?.extensions]).toEqual([
            400,
            { code: "BAD_USER_INPUT", violations: [expect.objectContaining({ field })] },
          ]);
        }
    });

    test("revokeSession ends a session of the caller; another user's looks like one that does not exist (row 40)", async () => {
      const [alice, bob] = [await signIn(), await signIn()];
      const phone = await app.login(alice.username);
      const id = sidOf(phone.accessToken);
      const revoke = (token: string, id: string) => app.send(REVOKE_SESSION, { id }, { token });

      const answers = [
        await revoke(bob.accessToken, id),
        await revoke(bob.accessToken, "0190a0a0-0000-7000-8000-000000000000"),
      ];
      for (const { status, errors } of answers) {
        expect(status).toBe(200);
        expect(errors?.[0]).toMatchObject({
          message: "You have no session with this id.",
          extensions: { code: "NOT_FOUND" },
        });
      }
      expect(answers[0]!.text).toBe(answers[1]!.text);
      expect(await reasonFor(phone.accessToken)).toBeUndefined();

      expect((await revoke(alice.accessToken, id)).data).toEqual({ revokeSession: true });
      expect(await reasonFor(phone.accessToken)).toBe("SESSION_REVOKED");
      await expectRefused(phone.refreshToken);
      expect((await revoke(alice.accessToken, id)).errors?.[0]?.extensions?.["code"]).toBe("NOT_FOUND");
      expect((await auditEventsOf(app.latchkey.db, alice.user.id)).at(-1)).toMatchObject({
        type: "SESSION_REVOKED",
        sessionId: id,
      });
    });

    test("revokeOtherSessions ends all but this one, and returns how many (row 40)", async () => {
      const here = await signIn();
      const others = [await app.login(here.username), await app.login(here.username)];
      const stranger = await signIn();
      const end = () => app.send(REVOKE_OTHER_SESSIONS, {}, { token: here.accessToken });
      expect((await end()).data).toEqual({ revokeOtherSessions: 2 });
      expect((await end()).data).toEqual({ revokeOtherSessions: 0 });
      // One event for each session that ended, and none if there was none.
      const events = await auditEventsOf(app.latchkey.db, here.user.id);
      const revoked = events.filter(({ type }) => type === "SESSION_REVOKED");
      expect(revoked.map(({ sessionId }) => sessionId).sort()).toEqual(
        others.map(({ accessToken }) => sidOf(accessToken)).sort(),
      );
      for (const { accessToken } of others) expect(await reasonFor(accessToken)).toBe("SESSION_REVOKED");
      expect(await reasonFor(here.accessToken)).toBeUndefined();
      expect(await reasonFor(stranger.accessToken)).toBeUndefined();
    });
  });

  test("logins are audited: who succeeded, which account a failure was for, and never what was typed (rows 68, 69)", async () => {
    const { username, user } = await signIn();
    await app.send(LOGIN, { username, password: "wrong" });
    await app.latchkey.operator.disable(username);
    await app.send(LOGIN, { username, password: PASSWORD });
    const events = await auditEventsOf(app.latchkey.db, user.id);
    expect(events.map(({ type, actorId, details }) => [type, actorId, details])).toEqual([
      ["USER_CREATED", null, { username: user.username, roles: ["USER"] }],
      ["LOGIN_SUCCEEDED", user.id, { methods: ["pwd"] }],
      ["LOGIN_FAILED", null, { reason: "INVALID_CREDENTIALS" }],
      ["USER_DISABLED", null, {}],
      ["SESSION_REVOKED", null, {}],
      ["LOGIN_FAILED", null, { reason: "ACCOUNT_DISABLED" }],
    ]);
    await app.send(LOGIN, { username: PASSWORD, password: "a password in the wrong field" });
    const all = JSON.stringify(await app.latchkey.db.selectFrom("audit_events").selectAll().execute());
    expect(all).not.toMatch(/CANARY|wrong field/);
  });

  test("ended sessions are removed after a week, by one process at a time", async () => {
    const own = await makeApp({ database });
    const other = await makeApp({ databaseUrl: own.databaseUrl, clock: own.clock });
    const [ended, idle, live] = [await signIn(own), await signIn(own), await signIn(own)];
    await own.send(LOGOUT, {}, { token: ended.accessToken });
    const sessionIds = async () =>
      (await own.latchkey.db.selectFrom("sessions").select("id").orderBy("id").execute()).map(({ id }) => id);

    own.clock.advance(7 * DAY);
    await own.latchkey.jobs.runDue();
    expect(await sessionIds()).toHaveLength(3);
    own.clock.advance(SECOND);
    await other.latchkey.jobs.runDue();
    // Another process has done it within the hour.
    expect(await sessionIds()).toHaveLength(3);
    own.clock.advance(HOUR);
    const { refreshToken } = await refresh(live.refreshToken, own);
    await Promise.all([own.latchkey.jobs.runDue(), other.latchkey.jobs.runDue()]);
    expect(await sessionIds()).toEqual([sidOf(idle.accessToken), sidOf(live.accessToken)]);
    own.clock.advance(13 * DAY);
    await refresh(refreshToken, own);
    own.clock.advance(2 * DAY);
    await own.latchkey.jobs.runDue();
    expect(await sessionIds()).toEqual([sidOf(live.accessToken)]);
    await own.close();
    await other.close();
  });
});

describe.each(DATABASES)("the most sessions of a user on %s", (database) => {
  const SESSION_REVOKED = { type: "SESSION_REVOKED", details: { reason: "MAX_SESSIONS_PER_USER" } };
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database, env: { MAX_SESSIONS_PER_USER: "3" } });
  });
  afterAll(() => app.close());

  const live = async (token: string) => {
    const { data } = await app.send(MY_SESSIONS, {}, { token });
    return data?.mySessions.map(({ id }) => id);
  };

  test("a sign-in beyond the limit ends the least recently used one, with an audit event", async () => {
    const { id } = await app.createUser("alice");
    const logins = [];
    for (let n = 0; n < 3; n++) {
      logins.push(await app.login("alice"));
      app.clock.advance(SECOND);
    }
    const [first, second, third] = logins;
    // The oldest is in use; the second is the least recently used.
    await app.send(REFRESH, { refreshToken: first!.refreshToken });
    app.clock.advance(SECOND);
    const fourth = await app.login("alice");
    const left = [fourth, third!, first!].map(({ accessToken }) => sidOf(accessToken));
    expect(await live(fourth.accessToken)).toEqual(left);
    expect(await live(second!.accessToken)).toBeUndefined();
    const { errors } = await app.send(REFRESH, { refreshToken: second!.refreshToken });
    expect(errors?.[0]?.extensions).toEqual({ code: "INVALID_TOKEN" });
    const events = (await auditEventsOf(app.latchkey.db, id)).filter(
      ({ type }) => type === "SESSION_REVOKED",
    );
    expect(events).toEqual([{ ...SESSION_REVOKED, actorId: id, sessionId: sidOf(second!.accessToken) }]);
  });

  test("ended and expired sessions, and another user's, do not count", async () => {
    await app.createUser("bob");
    await app.createUser("carol");
    await app.login("bob");
    app.clock.advance(14 * DAY);
    const carol = await app.login("carol");
    const ended = await app.login("bob");
    await app.send(LOGOUT, {}, { token: ended.accessToken });
    const kept = [];
    for (let n = 0; n < 3; n++) kept.unshift(sidOf((await app.login("bob")).accessToken));
    const { accessToken } = await app.login("bob");
    expect(await live(accessToken)).toEqual([sidOf(accessToken), ...kept.slice(0, 2)]);
    expect(await live(carol.accessToken)).toEqual([sidOf(carol.accessToken)]);
  });

  test("of many concurrent logins only as many as the limit stay signed in", async () => {
    await app.createUser("dave");
    const logins = await Promise.all(Array.from({ length: 2 }, () => app.login("dave")));
    logins.push(...(await Promise.all(Array.from({ length: 4 }, () => app.login("dave")))));
    const alive = await Promise.all(logins.map(({ accessToken }) => live(accessToken)));
    expect(alive.filter((sessions) => sessions !== undefined)).toHaveLength(3);
  });

  test("after the limit was lowered, a sign-in ends a bounded number of sessions", async () => {
    const { id } = await app.createUser("erin");
    const { accessToken } = await app.login("erin");
    const { db } = app.latchkey;
    const row = await db
      .selectFrom("sessions")
      .selectAll()
      .where("user_id", "=", id)
      .executeTakeFirstOrThrow();
    const others = Array.from({ length: 60 }, (_, n) => ({
      ...row,
      id: `${row.id}-${n}`,
      refresh_family_hash: null,
    }));
    await db.insertInto("sessions").values(others).execute();
    const counts = [];
    for (let n = 0; n < 5; n++) counts.push((await live((await app.login("erin")).accessToken))?.length);
    expect(counts).toEqual([42, 23, 4, 3, 3]);
    expect(await live(accessToken)).toBeUndefined();
  });
});

/** PostgreSQL grants the lock on a row in the order in which connections asked for it. */
describe("a login whose password was correct before the account changed, on postgres (row 71)", () => {
  let app: App;
  let held: Held | undefined;
  beforeEach(async () => {
    app = await makeApp({ database: "postgres" });
    await app.createUser("alice");
    held = await hold(app, ["select 1 from users where username = 'alice' for update"]);
  });
  afterEach(async () => {
    await held?.commit();
    held = undefined;
    await app.close();
  });

  const login = () => app.send(LOGIN, { username: "alice", password: PASSWORD });
  const CHANGES: [act: string, change: () => Promise<unknown>, code: string][] = [
    [
      "whose password was set",
      () => app.latchkey.operator.setPassword("alice", "another long password"),
      "INVALID_CREDENTIALS",
    ],
    ["who was disabled", () => app.latchkey.operator.disable("alice"), "ACCOUNT_DISABLED"],
  ];
  /** Runs both, so that the first locks the account's row before the second. */
  async function inOrder<A, B>(first: () => Promise<A>, second: () => Promise<B>): Promise<[A, B]> {
    const firstEnded = first();
    await held!.waited();
    const secondEnded = second();
    await held!.waited(2);
    await held!.commit();
    return Promise.all([firstEnded, secondEnded]);
  }
  const sessions = async () =>
    (await app.latchkey.db.selectFrom("sessions").select("ended_at").execute()).map(({ ended_at }) =>
      ended_at === null ? "live" : "ended",
    );

  test.each(CHANGES)("of a user %s meanwhile starts no session", async (_act, change, code) => {
    const [, answer] = await inOrder(change, login);
    expect(answer.errors?.[0]?.extensions?.["code"]).toBe(code);
    expect(await sessions()).toEqual([]);
  });

  test.each(CHANGES)("of a user %s afterwards loses its session", async (_act, change) => {
    const [answer] = await inOrder(login, change);
    const { accessToken: token, user } = answer.data!.login;
    expect(await sessions()).toEqual(["ended"]);
    expect((await app.send(ME, {}, { token })).status).toBe(401);
    const events = (await auditEventsOf(app.latchkey.db, user.id)).filter(
      ({ type }) => type === "SESSION_REVOKED",
    );
    expect(events.map(({ sessionId }) => sessionId)).toEqual([decodeJwt(token)["sid"]]);
  });
});
