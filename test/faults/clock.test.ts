import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { DAY, HOUR } from "../../src/clock.js";
import { PrintedMailer } from "../../src/email/printed.js";
import { type Answer, type App, makeApp, NEW_PASSWORD, withRefreshToken } from "../support/app.js";
import { ME, MY_SESSIONS, REFRESH, REQUEST_PASSWORD_RESET, RESET_PASSWORD } from "../support/operations.js";

const STEPS = { "an hour": HOUR, "a day": DAY, "a year": 365 * DAY };

describe("when the clock steps (row 66)", () => {
  let app: App;
  beforeEach(async () => {
    app = await makeApp();
    await app.createUser("alice");
  });
  afterEach(() => app.close());

  const outcomeOf = ({ errors }: Answer<unknown>) => {
    const { code, reason } = errors?.[0]?.extensions ?? {};
    return reason ?? code ?? "works";
  };
  const me = async (token: string) => outcomeOf(await app.send(ME, {}, { token }));
  const refresh = (refreshToken: string) => app.send(REFRESH, { refreshToken });
  const refreshed = async (refreshToken: string) =>
    withRefreshToken((await refresh(refreshToken)).data!.refreshToken);

  test.each(Object.entries(STEPS))(
    "ahead by %s and back: nothing works for longer, and earlier tokens keep working",
    async (_what, step) => {
      const before = await app.login("alice");
      app.clock.advance(step);
      expect(await me(before.accessToken)).toBe("TOKEN_EXPIRED");
      const ahead = await app.login("alice");
      expect(await me(ahead.accessToken)).toBe("works");
      app.clock.advance(-step);
      // A token from the future is not valid yet.
      expect(await me(ahead.accessToken)).toBe("INVALID_TOKEN");
      // It only looked expired, and was not consumed.
      expect(await me(before.accessToken)).toBe("works");
      expect(outcomeOf(await refresh(before.refreshToken))).toBe("works");
      // Its session can be listed and ended meanwhile.
      const { data } = await app.send(MY_SESSIONS, {}, { token: before.accessToken });
      expect(data!.mySessions).toHaveLength(2);
      app.clock.advance(step);
      expect(await me(ahead.accessToken)).toBe("works");
    },
  );

  test.each(Object.entries(STEPS))(
    "back by %s and forward again: consumed tokens stay consumed, ended sessions stay ended",
    async (_what, step) => {
      const consumed = await app.login("alice");
      const ended = await app.login("alice");
      const successor = await refreshed(consumed.refreshToken);
      await app.latchkey.operator.disable("alice");
      await app.latchkey.operator.enable("alice");
      app.clock.advance(-step);
      expect(await me(ended.accessToken)).toBe("INVALID_TOKEN");
      expect(outcomeOf(await refresh(ended.refreshToken))).toBe("INVALID_TOKEN");
      expect(outcomeOf(await refresh(successor.refreshToken))).toBe("INVALID_TOKEN");
      const back = await app.login("alice");
      expect(await me(back.accessToken)).toBe("works");
      app.clock.advance(step);
      expect(await me(ended.accessToken)).toBe("SESSION_REVOKED");
      expect(outcomeOf(await refresh(consumed.refreshToken))).toBe("INVALID_TOKEN");
      expect(await me(back.accessToken)).toBe("TOKEN_EXPIRED");
      expect(await me((await app.login("alice")).accessToken)).toBe("works");
    },
  );

  test("back: the grace period of a consumed refresh token does not start again, and its use ends the session", async () => {
    const { refreshToken } = await app.login("alice");
    app.clock.advance(HOUR);
    const successor = await refreshed(refreshToken);
    app.clock.advance(-HOUR);
    expect(outcomeOf(await refresh(refreshToken))).toBe("INVALID_TOKEN");
    expect(outcomeOf(await refresh(successor.refreshToken))).toBe("INVALID_TOKEN");
    app.clock.advance(HOUR);
    expect(await me(successor.accessToken)).toBe("SESSION_REVOKED");
  });

  test("a reset token works once, whatever the clock does in between", async () => {
    await app.send(REQUEST_PASSWORD_RESET, { email: "alice@example.com" });
    await app.latchkey.outbox.deliverDue();
    const { emails } = app.latchkey.mailer as PrintedMailer;
    const token = /token=([\w-]{43})/.exec(emails[0]!.text)![1]!;
    const reset = async () => outcomeOf(await app.send(RESET_PASSWORD, { token, newPassword: NEW_PASSWORD }));
    app.clock.advance(HOUR);
    expect(await reset()).toBe("INVALID_TOKEN");
    app.clock.advance(-HOUR);
    expect(await reset()).toBe("works");
    for (const step of [-HOUR, HOUR, DAY]) {
      app.clock.advance(step);
      expect(await reset()).toBe("INVALID_TOKEN");
    }
  });
});
