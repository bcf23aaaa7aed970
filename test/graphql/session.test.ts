import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { decodeJwt } from "jose";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { DATABASES } from "../support/databases.js";
import { holdLock } from "../support/locks.js";
import {
  LOGIN,
  LOGOUT,
  ME,
  MY_SESSIONS,
  REFRESH,
  REVOKE_OTHER_SESSIONS,
  REVOKE_SESSION,
} from "../support/operations.js";
import { auditEventsOf, deleteUser } from "../support/tables.js";

const SECOND = 1000;
const DAY = 24 * 3600 * SECOND;

describe.each(DATABASES)("sessions on %s", (database) => {
  let app: App;
  let users = 0;
  beforeAll(async () => {
    app = await makeApp({ database });
  });
  afterAll(() => app.close());

  /** A new user, signed in. */
  async function signIn(on = app) {
    const username = `user-${users++}`;
    await on.createUser(username);
    return { username, ...(await on.login(username)) };
  }

  async function refresh(refreshToken: string, on = app) {
    const { data, errors } = await on.send(REFRESH, { refreshToken });
    if (!data) throw new Error(`refresh failed: ${JSON.stringify(errors)}`);
    return data.refreshToken;
  }

  async function expectRefused(refreshToken: string, on = app) {
    const { status, data, errors } = await on.send(REFRESH, { refreshToken });
    expect([status, data]).toEqual([200, null]);
    expect(errors).toEqual([
      expect.objectContaining({
        message: "The refresh token is unknown, used or expired. Log in again.",
        extensions: { code: "INVALID_TOKEN" },
      }),
    ]);
  }

  async function reasonFor(token: string, on = app) {
    const { errors } = await on.send(ME, {}, { token });
    return errors?.[0]?.extensions?.["reason"];
  }

  const sidOf = (accessToken: string) => decodeJwt(accessToken)["sid"] as string;

  describe("refreshToken", () => {
    test("gives a new access token and a new refresh token of the same session", async () => {
      const first = await signIn();
      app.clock.advance(20 * 60 * SECOND);
      expect(await reasonFor(first.accessToken)).toBe("TOKEN_EXPIRED");
      const second = await refresh(first.refreshToken);
      expect(second).toEqual({
        accessToken: expect.any(String),
        tokenType: "bearer",
        expiresIn: 900,
        expiresAt: new Date(app.clock.now() + 900 * SECOND).toISOString(),
        refreshToken: expect.stringMatching(/^[\w-]{43}$/),
        user: { id: first.user.id, username: first.username },
      });
      expect(second.refreshToken).not.toBe(first.refreshToken);
      expect(sidOf(second.accessToken)).toBe(sidOf(first.accessToken));
      expect(await reasonFor(second.accessToken)).toBeUndefined();
    });

    test("the database holds no token that could be used (row 36)", async () => {
      const first = await signIn();
      const second = await refresh(first.refreshToken);
      const dump = JSON.stringify(await app.latchkey.db.selectFrom("refresh_tokens").selectAll().execute());
      expect(dump.length).toBeGreaterThan(100);
      for (const { refreshToken, accessToken } of [first, second]) {
        expect(dump).not.toContain(refreshToken);
        expect(dump).not.toContain(accessToken);
      }
    });

    test("two tabs: within the grace a spent token gives the same successor, afterwards it ends the session (row 37)", async () => {
      const first = await signIn();
      const second = await refresh(first.refreshToken);
      app.clock.advance(9 * SECOND);
      expect((await refresh(first.refreshToken)).refreshToken).toBe(second.refreshToken);
      app.clock.advance(SECOND);
      expect((await refresh(first.refreshToken)).refreshToken).toBe(second.refreshToken);
      app.clock.advance(SECOND);
      await expectRefused(first.refreshToken);
      // All of the session is over: its access tokens and its newest refresh token too.
      expect(await reasonFor(second.accessToken)).toBe("SESSION_REVOKED");
      await expectRefused(second.refreshToken);
      const sessionId = sidOf(first.accessToken);
      const [created, ...events] = await auditEventsOf(app.latchkey.db, first.user.id);
      expect(created?.type).toBe("USER_CREATED");
      expect(events.map(({ type, details }) => [type, details])).toEqual([
        ["LOGIN_SUCCEEDED", {}],
        ["REFRESH_TOKEN_REUSED", {}],
      ]);
      expect(events.every((event) => event.sessionId === sessionId)).toBe(true);
    });

    test("an old token that is stolen after several refreshes ends the session (row 37)", async () => {
      const first = await signIn();
      let last = first.refreshToken;
      for (let n = 0; n < 3; n++) {
        app.clock.advance(60 * SECOND);
        last = (await refresh(last)).refreshToken;
      }
      await expectRefused(first.refreshToken);
      await expectRefused(last);
    });

    test("three tabs: one that is two refreshes late gets the newest token, not a spent one", async () => {
      const first = await signIn();
      const second = await refresh(first.refreshToken);
      app.clock.advance(3 * SECOND);
      const third = await refresh(second.refreshToken);
      app.clock.advance(3 * SECOND);
      expect((await refresh(first.refreshToken)).refreshToken).toBe(third.refreshToken);
      app.clock.advance(60 * SECOND);
      await refresh(third.refreshToken);
    });

    test("past the grace nothing is kept of a consumed token, and its use still ends the session (row 37)", async () => {
      const own = await makeApp({ database });
      try {
        const first = await signIn(own);
        const tokens = async () =>
          (await own.latchkey.db.selectFrom("refresh_tokens").select("used_at").execute()).length;
        const second = await refresh(first.refreshToken, own);
        expect(await tokens()).toBe(2);
        own.clock.advance(16 * SECOND);
        await own.latchkey.jobs.runDue();
        expect(await tokens()).toBe(1);
        // A session that is refreshed all the time keeps no more, whether a job comes or not.
        let last = second;
        for (let n = 0; n < 20; n++) {
          own.clock.advance(8 * SECOND);
          last = await refresh(last.refreshToken, own);
        }
        expect(await tokens()).toBeLessThanOrEqual(3);
        await expectRefused(first.refreshToken, own);
        await expectRefused(last.refreshToken, own);
        expect(await auditEventsOf(own.latchkey.db, first.user.id)).toContainEqual(
          expect.objectContaining({ type: "REFRESH_TOKEN_REUSED", sessionId: sidOf(first.accessToken) }),
        );
      } finally {
        await own.close();
      }
    });

    test("a token that shares nothing with those of a session ends none", async () => {
      const { refreshToken } = await signIn();
      const stranger = Buffer.from(refreshToken, "base64url");
      stranger[0]! ^= 1;
      await expectRefused(stranger.toString("base64url"));
      await refresh(refreshToken);
    });

    test("a token that is more than ten refreshes late is reused, even within the grace", async () => {
      const { refreshToken } = await signIn();
      let last = refreshToken;
      for (let n = 0; n < 10; n++) last = (await refresh(last)).refreshToken;
      expect((await refresh(refreshToken)).refreshToken).toBe(last);
      const eleventh = await refresh(last);
      await expectRefused(refreshToken);
      await expectRefused(eleventh.refreshToken);
    });

    test("a refresh is no event of its own: the session says when the last one was", async () => {
      const { refreshToken, user } = await signIn();
      app.clock.advance(60 * SECOND);
      const { accessToken } = await refresh(refreshToken);
      const { data } = await app.send(MY_SESSIONS, {}, { token: accessToken });
      expect(data!.mySessions[0]!.lastUsedAt).toBe(new Date(app.clock.now()).toISOString());
      const types = (await auditEventsOf(app.latchkey.db, user.id)).map(({ type }) => type);
      expect(types).toEqual(["USER_CREATED", "LOGIN_SUCCEEDED"]);
    });

    test("SESSION_EXPIRE_DAYS holds from the start when it is the shorter (row 39)", async () => {
      const short = await makeApp({
        database,
        env: { REFRESH_TOKEN_EXPIRE_DAYS: "14", SESSION_EXPIRE_DAYS: "1" },
      });
      try {
        const { accessToken, refreshToken } = await signIn(short);
        const { data } = await short.send(MY_SESSIONS, {}, { token: accessToken });
        const end = new Date(short.clock.now() + DAY).toISOString();
        expect(data!.mySessions.map(({ expiresAt }) => expiresAt)).toEqual([end]);
        short.clock.advance(DAY);
        await expectRefused(refreshToken, short);
      } finally {
        await short.close();
      }
    });

    test("REFRESH_GRACE_SECONDS=0 turns the grace off (row 37)", async () => {
      const strict = await makeApp({ database, env: { REFRESH_GRACE_SECONDS: "0" } });
      const first = await signIn(strict);
      const second = await refresh(first.refreshToken, strict);
      await expectRefused(first.refreshToken, strict);
      await expectRefused(second.refreshToken, strict);
      await strict.close();
    });

    test("a session that is not used ends after REFRESH_TOKEN_EXPIRE_DAYS, to the second (row 39)", async () => {
      const [idle, used] = [await signIn(), await signIn()];
      app.clock.advance(14 * DAY - SECOND);
      const next = await refresh(used.refreshToken);
      app.clock.advance(SECOND);
      await expectRefused(idle.refreshToken);
      await refresh(next.refreshToken);
    });

    test("a session ends after SESSION_EXPIRE_DAYS however often it is used, its access tokens with it (row 39)", async () => {
      const started = app.clock.now();
      let { refreshToken } = await signIn();
      for (let n = 0; n < 8; n++) {
        app.clock.advance(11 * DAY);
        ({ refreshToken } = await refresh(refreshToken));
      }
      app.clock.advance(started + 90 * DAY - 5 * SECOND - app.clock.now());
      const last = await refresh(refreshToken);
      expect(last.expiresIn).toBe(5);
      app.clock.advance(4 * SECOND);
      expect(await reasonFor(last.accessToken)).toBeUndefined();
      app.clock.advance(SECOND);
      expect(await reasonFor(last.accessToken)).toBe("TOKEN_EXPIRED");
      await expectRefused(last.refreshToken);
    });

    test("refuses the tokens of an ended session, of a disabled and of a deleted user", async () => {
      const [ended, disabled, deleted] = [await signIn(), await signIn(), await signIn()];
      await app.send(LOGOUT, {}, { token: ended.accessToken });
      await app.latchkey.operator.disable(disabled.username);
      await deleteUser(app.latchkey.db, deleted.username);
      for (const { refreshToken } of [ended, disabled, deleted]) await expectRefused(refreshToken);
    });

    test("an access token does not refresh, a refresh token is no bearer", async () => {
      const { accessToken, refreshToken } = await signIn();
      const tooLong = await app.send(REFRESH, { refreshToken: accessToken });
      expect(tooLong.errors?.[0]?.extensions?.["code"]).toBe("BAD_USER_INPUT");
      for (const garbage of ["x", accessToken.slice(0, 43)]) await expectRefused(garbage);
      expect(await reasonFor(refreshToken)).toBe("INVALID_TOKEN");
    });
  });

  describe("ending", () => {
    test("logout ends the token's own session (row 34)", async () => {
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

    test("mySessions shows the live ones, newest first (row 40)", async () => {
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
          current: false,
        },
        {
          id: sidOf(first.accessToken),
          createdAt: iso(now - 2 * SECOND),
          lastUsedAt: iso(now),
          expiresAt: iso(now + 14 * DAY),
          userAgent: "node",
          ipAddress: "127.0.0.1",
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

    test("revokeSession ends one of one's own; another's answers as one that does not exist (row 40)", async () => {
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

    test("revokeOtherSessions ends all but this one, and says how many (row 40)", async () => {
      const here = await signIn();
      const others = [await app.login(here.username), await app.login(here.username)];
      const stranger = await signIn();
      const end = () => app.send(REVOKE_OTHER_SESSIONS, {}, { token: here.accessToken });
      expect((await end()).data).toEqual({ revokeOtherSessions: 2 });
      expect((await end()).data).toEqual({ revokeOtherSessions: 0 });
      // One event for each session that was ended, and none for nothing.
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

  test("logins are audited: who succeeded, which account one failed for, never what was typed (rows 68, 69)", async () => {
    const { username, user } = await signIn();
    await app.send(LOGIN, { username, password: "wrong" });
    await app.latchkey.operator.disable(username);
    await app.send(LOGIN, { username, password: PASSWORD });
    const events = await auditEventsOf(app.latchkey.db, user.id);
    expect(events.map(({ type, actorId, details }) => [type, actorId, details])).toEqual([
      ["USER_CREATED", null, { username: user.username, roles: ["USER"] }],
      ["LOGIN_SUCCEEDED", user.id, {}],
      ["LOGIN_FAILED", null, { reason: "INVALID_CREDENTIALS" }],
      ["USER_DISABLED", null, {}],
      ["SESSION_REVOKED", null, {}],
      ["LOGIN_FAILED", null, { reason: "ACCOUNT_DISABLED" }],
    ]);
    await app.send(LOGIN, { username: PASSWORD, password: "a password in the wrong field" });
    const all = JSON.stringify(await app.latchkey.db.selectFrom("audit_events").selectAll().execute());
    expect(all).not.toMatch(/CANARY|wrong field/);
  });

  test("what ended is removed after a week, in one process at a time", async () => {
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
    // Within the hour another process has done it.
    expect(await sessionIds()).toHaveLength(3);
    own.clock.advance(3600 * SECOND);
    const { refreshToken } = await refresh(live.refreshToken, own);
    await Promise.all([own.latchkey.jobs.runDue(), other.latchkey.jobs.runDue()]);
    expect(await sessionIds()).toEqual([sidOf(idle.accessToken), sidOf(live.accessToken)]);
    own.clock.advance(13 * DAY);
    await refresh(refreshToken, own);
    own.clock.advance(2 * DAY);
    await own.latchkey.jobs.runDue();
    expect(await sessionIds()).toEqual([sidOf(live.accessToken)]);
    const left = await own.latchkey.db.selectFrom("refresh_tokens").select("session_id").distinct().execute();
    expect(left).toEqual([{ session_id: sidOf(live.accessToken) }]);
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
  const sidOf = (accessToken: string) => decodeJwt(accessToken)["sid"] as string;

  test("one more ends the one that was used least recently, and says so in the audit log", async () => {
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

  test("those that ended or expired, and another user's, do not count", async () => {
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

  test("of many logins at once so many stay signed in", async () => {
    await app.createUser("dave");
    const logins = await Promise.all(Array.from({ length: 2 }, () => app.login("dave")));
    logins.push(...(await Promise.all(Array.from({ length: 4 }, () => app.login("dave")))));
    const alive = await Promise.all(logins.map(({ accessToken }) => live(accessToken)));
    expect(alive.filter((sessions) => sessions !== undefined)).toHaveLength(3);
  });

  test("when the limit was lowered, a sign-in ends only so many", async () => {
    const { id } = await app.createUser("erin");
    const { accessToken } = await app.login("erin");
    const { db } = app.latchkey;
    const row = await db
      .selectFrom("sessions")
      .selectAll()
      .where("user_id", "=", id)
      .executeTakeFirstOrThrow();
    const others = Array.from({ length: 60 }, (_, n) => ({ ...row, id: `${row.id}-${n}` }));
    await db.insertInto("sessions").values(others).execute();
    const counts = [];
    for (let n = 0; n < 5; n++) counts.push((await live((await app.login("erin")).accessToken))?.length);
    expect(counts).toEqual([42, 23, 4, 3, 3]);
    expect(await live(accessToken)).toBeUndefined();
  });
});

/** PostgreSQL lets those that wait for a row have it in the order they came. */
describe("a login whose password was right before the account changed, on postgres (row 71)", () => {
  let app: App;
  let lock: Awaited<ReturnType<typeof holdLock>> | undefined;
  beforeEach(async () => {
    app = await makeApp({ database: "postgres" });
    await app.createUser("alice");
    lock = await holdLock(app.databaseUrl, "select 1 from users where username = $1 for update", ["alice"]);
  });
  afterEach(async () => {
    await lock?.close();
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
  /** Runs both, so that the first has the account's row before the second. */
  async function inOrder<A, B>(first: () => Promise<A>, second: () => Promise<B>): Promise<[A, B]> {
    const firstEnded = first();
    await lock!.awaited(1);
    const secondEnded = second();
    await lock!.awaited(2);
    await lock!.commit();
    return Promise.all([firstEnded, secondEnded]);
  }
  const sessions = async () =>
    (await app.latchkey.db.selectFrom("sessions").select("ended_at").execute()).map(({ ended_at }) =>
      ended_at === null ? "live" : "ended",
    );

  test.each(CHANGES)("of somebody %s meanwhile starts no session", async (_act, change, code) => {
    const [, answer] = await inOrder(change, login);
    expect(answer.errors?.[0]?.extensions?.["code"]).toBe(code);
    expect(await sessions()).toEqual([]);
  });

  test.each(CHANGES)("of somebody %s after it has its session ended", async (_act, change) => {
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
