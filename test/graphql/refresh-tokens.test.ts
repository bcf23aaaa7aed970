import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { DAY, SECOND } from "../../src/clock.js";
import { codeOf } from "../support/answers.js";
import { type App, makeApp } from "../support/app.js";
import { DATABASES } from "../support/databases.js";
import { meanwhile } from "../support/held.js";
import { LOGOUT, MY_SESSIONS, REFRESH } from "../support/operations.js";
import { sessionsOn, sidOf } from "../support/sessions.js";
import { auditEventsOf, deleteUser } from "../support/tables.js";

describe.each(DATABASES)("sessions on %s", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database });
  });
  afterAll(() => app.close());
  const { signIn, refresh, expectRefused, reasonFor } = sessionsOn(() => app);

  describe("refreshToken", () => {
    test("returns a new access token and a new refresh token of the same session", async () => {
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

    test("the database contains no usable token (row 36)", async () => {
      const first = await signIn();
      const second = await refresh(first.refreshToken);
      const dump = JSON.stringify(await app.latchkey.db.selectFrom("sessions").selectAll().execute());
      expect(dump.length).toBeGreaterThan(100);
      for (const { refreshToken, accessToken } of [first, second]) {
        expect(dump).not.toContain(refreshToken);
        expect(dump).not.toContain(accessToken);
      }
    });

    test("two tabs: within the grace period a consumed token returns the same successor, afterwards it ends the session (row 37)", async () => {
      const first = await signIn();
      const second = await refresh(first.refreshToken);
      app.clock.advance(9 * SECOND);
      expect((await refresh(first.refreshToken)).refreshToken).toBe(second.refreshToken);
      app.clock.advance(SECOND);
      expect((await refresh(first.refreshToken)).refreshToken).toBe(second.refreshToken);
      app.clock.advance(SECOND);
      await expectRefused(first.refreshToken);
      // The whole session has ended, with its access tokens and its newest refresh token.
      expect(await reasonFor(second.accessToken)).toBe("SESSION_REVOKED");
      await expectRefused(second.refreshToken);
      const sessionId = sidOf(first.accessToken);
      const [created, ...events] = await auditEventsOf(app.latchkey.db, first.user.id);
      expect(created?.type).toBe("USER_CREATED");
      expect(events.map(({ type, details }) => [type, details])).toEqual([
        ["LOGIN_SUCCEEDED", { methods: ["pwd"] }],
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

    test("three tabs: one that is two refreshes late gets the newest token, not a consumed one", async () => {
      const first = await signIn();
      const second = await refresh(first.refreshToken);
      app.clock.advance(3 * SECOND);
      const third = await refresh(second.refreshToken);
      app.clock.advance(3 * SECOND);
      expect((await refresh(first.refreshToken)).refreshToken).toBe(third.refreshToken);
      app.clock.advance(60 * SECOND);
      await refresh(third.refreshToken);
    });

    test("after the grace period a consumed token is removed, and its use still ends the session (row 37)", async () => {
      const own = await makeApp({ database });
      try {
        const first = await signIn(own);
        const consumed = async () => {
          const [row] = await own.latchkey.db
            .selectFrom("sessions")
            .select("consumed_refresh_tokens as tokens")
            .execute();
          return JSON.parse(row!.tokens ?? "[]").length;
        };
        const second = await refresh(first.refreshToken, own);
        expect(await consumed()).toBe(1);
        own.clock.advance(16 * SECOND);
        await own.latchkey.jobs.runDue();
        expect(await consumed()).toBe(0);
        // A session that is refreshed all the time does not accumulate tokens, even if no job runs.
        let last = second;
        for (let n = 0; n < 20; n++) {
          own.clock.advance(8 * SECOND);
          last = await refresh(last.refreshToken, own);
        }
        expect(await consumed()).toBeLessThanOrEqual(2);
        await expectRefused(first.refreshToken, own);
        await expectRefused(last.refreshToken, own);
        expect(await auditEventsOf(own.latchkey.db, first.user.id)).toContainEqual(
          expect.objectContaining({ type: "REFRESH_TOKEN_REUSED", sessionId: sidOf(first.accessToken) }),
        );
      } finally {
        await own.close();
      }
    });

    test("a token that shares nothing with those of any session ends none", async () => {
      const { refreshToken } = await signIn();
      const stranger = Buffer.from(refreshToken, "base64url");
      stranger[0]! ^= 1;
      await expectRefused(stranger.toString("base64url"));
      await refresh(refreshToken);
    });

    test("a token that was just issued is returned again, so that a late answer to another tab changes nothing", async () => {
      const { refreshToken: first, user } = await signIn();
      const { refreshToken: second } = await refresh(first);
      for (const token of [second, first, second]) expect((await refresh(token)).refreshToken).toBe(second);
      app.clock.advance(10 * SECOND);
      expect((await refresh(second)).refreshToken).toBe(second);
      app.clock.advance(1);
      const { refreshToken: third } = await refresh(second);
      expect(third).not.toBe(second);
      expect((await refresh(second)).refreshToken).toBe(third);
      expect((await auditEventsOf(app.latchkey.db, user.id)).map(({ type }) => type)).not.toContain(
        "REFRESH_TOKEN_REUSED",
      );
      await expectRefused(first);
      await expectRefused(third);
    });

    test("a refresh is not an audit event: the session records the time of the last one", async () => {
      const { refreshToken, user } = await signIn();
      app.clock.advance(60 * SECOND);
      const { accessToken } = await refresh(refreshToken);
      const { data } = await app.send(MY_SESSIONS, {}, { token: accessToken });
      expect(data!.mySessions[0]!.lastUsedAt).toBe(new Date(app.clock.now()).toISOString());
      const types = (await auditEventsOf(app.latchkey.db, user.id)).map(({ type }) => type);
      expect(types).toEqual(["USER_CREATED", "LOGIN_SUCCEEDED"]);
    });

    test("SESSION_EXPIRE_DAYS applies from the start if it is the shorter one (row 39)", async () => {
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

    test("REFRESH_GRACE_SECONDS=0 turns the grace period off (row 37)", async () => {
      const strict = await makeApp({ database, env: { REFRESH_GRACE_SECONDS: "0" } });
      const first = await signIn(strict);
      const second = await refresh(first.refreshToken, strict);
      await expectRefused(first.refreshToken, strict);
      await expectRefused(second.refreshToken, strict);
      await strict.close();
    });

    test("an unused session ends after REFRESH_TOKEN_EXPIRE_DAYS, to the second (row 39)", async () => {
      const [idle, used] = [await signIn(), await signIn()];
      app.clock.advance(14 * DAY - SECOND);
      const next = await refresh(used.refreshToken);
      app.clock.advance(SECOND);
      await expectRefused(idle.refreshToken);
      await refresh(next.refreshToken);
    });

    test("a session ends after SESSION_EXPIRE_DAYS however often it is used, as do its access tokens (row 39)", async () => {
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

    test("refuses a token of a session that another transaction ends at the same time", async () => {
      const { accessToken, refreshToken } = await signIn();
      const ended = `update sessions set ended_at = ${app.clock.now()} where id = '${sidOf(accessToken)}'`;
      const answer = await meanwhile(app, [ended], () => app.send(REFRESH, { refreshToken }));
      expect(codeOf(answer)).toBe("INVALID_TOKEN");
    });

    test("refuses the tokens of an ended session, of a disabled and of a deleted user", async () => {
      const [ended, disabled, deleted] = [await signIn(), await signIn(), await signIn()];
      await app.send(LOGOUT, {}, { token: ended.accessToken });
      await app.latchkey.operator.disable(disabled.username);
      await deleteUser(app.latchkey.db, deleted.username);
      for (const { refreshToken } of [ended, disabled, deleted]) await expectRefused(refreshToken);
    });

    test("an access token does not refresh, and a refresh token does not authenticate", async () => {
      const { accessToken, refreshToken } = await signIn();
      const tooLong = await app.send(REFRESH, { refreshToken: accessToken });
      expect(tooLong.errors?.[0]?.extensions?.["code"]).toBe("BAD_USER_INPUT");
      for (const garbage of ["x", accessToken.slice(0, 43)]) await expectRefused(garbage);
      expect(await reasonFor(refreshToken)).toBe("INVALID_TOKEN");
    });
  });
});
