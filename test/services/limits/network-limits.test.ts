import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type App, makeApp, NEW_PASSWORD, PASSWORD, withRefreshToken } from "../../support/app.js";

import { DATABASES } from "../../support/databases.js";
import {
  ACCEPT_INVITATION,
  CONFIRM_EMAIL_CHANGE,
  LOGIN,
  PASSWORD_STRENGTH,
  REFRESH,
  REGISTER,
  RESET_PASSWORD,
  VERIFY_EMAIL,
} from "../../support/operations.js";

describe.each(DATABASES)("attempts on %s", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database });
  });
  afterAll(() => app.close());

  test("with invalid tokens are limited for a network, at every place that accepts one; valid ones are still accepted", async () => {
    const { id } = await app.createUser("jana");
    const from = "192.0.2.8";
    const { data } = await app.send(LOGIN, { username: "jana", password: PASSWORD }, { from });
    let { refreshToken } = withRefreshToken(data!.login);
    const guesses = async () => [
      await app.send(REFRESH, { refreshToken: "unknown" }, { from }),
      await app.send(VERIFY_EMAIL, { token: "unknown" }, { from }),
      await app.send(RESET_PASSWORD, { token: "unknown", newPassword: NEW_PASSWORD }, { from }),
      await app.send(ACCEPT_INVITATION, { token: "unknown", password: NEW_PASSWORD }, { from }),
      await app.send(CONFIRM_EMAIL_CHANGE, { token: "unknown" }, { from }),
    ];
    for (const { errors } of await guesses()) {
      expect(errors?.[0]?.extensions?.["code"]).toBe("INVALID_TOKEN");
    }
    expect(await countAt("TOKEN_NETWORK", from)).toBe(5);
    await setCount("TOKEN_NETWORK", from, 295);
    await guesses();
    for (const { status, errors } of await guesses()) {
      expect([status, errors?.[0]?.extensions]).toEqual([429, { code: "RATE_LIMITED", retryAfter: 900 }]);
    }
    refreshToken = (await app.send(REFRESH, { refreshToken }, { from })).data!.refreshToken.refreshToken!;
    expect((await app.send(REFRESH, { refreshToken }, { from })).data?.refreshToken.user.id).toBe(id);
  });

  test("to sign up are limited for a network", async () => {
    const from = "192.0.2.9";
    const register = (n: number) =>
      app.send(
        REGISTER,
        { input: { username: `new${n}`, email: `new${n}@example.com`, password: NEW_PASSWORD } },
        { from },
      );
    expect((await register(0)).data?.register.username).toBe("new0");
    await setCount("REGISTRATION_NETWORK", from, 49);
    expect((await register(1)).data?.register.username).toBe("new1");
    const { errors } = await register(2);
    expect(errors?.[0]?.extensions).toEqual({ code: "RATE_LIMITED", retryAfter: 3600 });
  });

  test("to estimate a password are limited for a network", async () => {
    const from = "192.0.2.11";
    const strength = () => app.send(PASSWORD_STRENGTH, { password: "x" }, { from });
    expect((await strength()).data?.passwordStrength.score).toBe(0);
    await setCount("PASSWORD_STRENGTH_NETWORK", from, 299);
    expect((await strength()).data?.passwordStrength.score).toBe(0);
    expect((await strength()).errors?.[0]?.extensions).toEqual({ code: "RATE_LIMITED", retryAfter: 900 });
  });

  const counts = (name: string, from: string) =>
    app.latchkey.db
      .selectFrom("attempts")
      .select("count")
      .where("name", "=", name)
      .where("network", "=", from);
  const countAt = async (name: string, from: string) => (await counts(name, from).executeTakeFirst())?.count;

  /** Stores a count, as if that many attempts had been made. */
  async function setCount(name: string, from: string, count: number) {
    const rows = app.latchkey.db.updateTable("attempts").set({ count });
    await rows.where("name", "=", name).where("network", "=", from).execute();
  }
});
