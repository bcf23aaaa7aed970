import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { DAY, SECOND } from "../../src/clock.js";
import { type App, FrozenClock, makeApp, PASSWORD } from "../support/app.js";
import { DATABASES } from "../support/databases.js";
import { CHANGE_PASSWORD, ME, MY_SESSIONS, REFRESH, REVOKE_OTHER_SESSIONS } from "../support/operations.js";

/** The largest difference that is supported: CLOCK_TOLERANCE. */
describe.each(DATABASES)("two processes whose clocks are 5 seconds apart, on %s", (database) => {
  let behind: App;
  let ahead: App;
  beforeEach(async () => {
    behind = await makeApp({ database });
    const clock = new FrozenClock();
    clock.advance(5 * SECOND);
    ahead = await makeApp({ databaseUrl: behind.databaseUrl, clock });
    await behind.createUser("alice");
  });
  afterEach(async () => {
    await behind.close();
    await ahead.close();
  });

  function advance(milliseconds: number) {
    for (const { clock } of [behind, ahead]) clock.advance(milliseconds);
  }
  const refresh = async (app: App, refreshToken: string) =>
    (await app.send(REFRESH, { refreshToken })).data?.refreshToken;
  const me = async (app: App, token: string) => (await app.send(ME, {}, { token })).status;

  test.each([
    ["the process behind first", () => [behind, ahead]],
    ["the process ahead first", () => [ahead, behind]],
  ] as const)(
    "two tabs that refresh concurrently, %s, both stay signed in, immediately and 5 seconds later",
    async (_which, inOrder) => {
      const [first, second] = inOrder() as [App, App];
      const { refreshToken } = await behind.login("alice");
      const successor = await refresh(first, refreshToken);
      expect(successor?.refreshToken).toMatch(/^[\w-]{43}$/);
      for (const wait of [0, 5 * SECOND]) {
        advance(wait);
        expect((await refresh(second, refreshToken))?.refreshToken).toBe(successor!.refreshToken);
      }
      expect(await me(behind, successor!.accessToken)).toBe(200);
    },
  );

  test("the grace period ends by either clock", async () => {
    for (const [first, second] of [
      [behind, ahead],
      [ahead, behind],
    ] as const) {
      const { refreshToken } = await behind.login("alice");
      const successor = await refresh(first, refreshToken);
      advance(15 * SECOND + 1);
      expect(await refresh(second, refreshToken)).toBeUndefined();
      expect(await me(behind, successor!.accessToken)).toBe(401);
    }
  });

  test.each(["changePassword", "revokeOtherSessions"] as const)(
    "%s also ends a session that has expired by its own clock, but not yet by the other",
    async (mutation) => {
      const old = await behind.login("alice");
      advance(14 * DAY - 3 * SECOND);
      // By the clock ahead it expired 2 seconds ago, by the other it has 3 seconds left.
      const { accessToken: token } = await ahead.login("alice");
      const { data } = await behind.send(MY_SESSIONS, {}, { token });
      expect(data!.mySessions).toHaveLength(2);
      if (mutation === "changePassword") {
        const passwords = { currentPassword: PASSWORD, newPassword: `another ${PASSWORD}` };
        expect((await ahead.send(CHANGE_PASSWORD, passwords, { token })).data).toBeTruthy();
      } else {
        const answer = await ahead.send(REVOKE_OTHER_SESSIONS, {}, { token });
        expect(answer.data).toEqual({ revokeOtherSessions: 1 });
      }
      expect(await refresh(behind, old.refreshToken)).toBeUndefined();
    },
  );
});
