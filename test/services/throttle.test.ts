import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { OneTimeTokens } from "../../src/services/one-time-tokens.js";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { DATABASES } from "../support/databases.js";
import {
  ACCEPT_INVITATION,
  CHANGE_PASSWORD,
  CONFIRM_EMAIL_CHANGE,
  LOGIN,
  ME,
  PASSWORD_STRENGTH,
  REFRESH,
  REGISTER,
  REQUEST_EMAIL_VERIFICATION,
  REQUEST_PASSWORD_RESET,
  RESET_PASSWORD,
  VERIFY_EMAIL,
} from "../support/operations.js";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const DAY = 24 * 60 * MINUTE;

const WRONG = "CANARY-wrong";
const NEW_PASSWORD = "CANARY seven brown kettles";

/** A source of its own for each number. */
const source = (n: number) => `198.51.${Math.floor(n / 250)}.${(n % 250) + 1}`;

describe.each(DATABASES)("attempts on %s", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database });
  });
  afterAll(() => app.close());

  async function login(username: string, password: string, from: string) {
    const { status, headers, data, errors } = await app.send(LOGIN, { username, password }, { from });
    const { message, extensions = {} } = errors?.[0] ?? {};
    const outcome = data ? "OK" : (extensions["code"] as string);
    return {
      outcome,
      status,
      message,
      retryAfter: extensions["retryAfter"],
      header: headers.get("retry-after"),
    };
  }

  async function fail(times: number, username: string, from: string) {
    for (let n = 0; n < times; n++) {
      expect((await login(username, WRONG, from)).outcome).toBe("INVALID_CREDENTIALS");
    }
  }

  async function resetPassword(userId: string, email: string, from = "192.0.2.250") {
    const tokens = new OneTimeTokens({ clock: app.clock });
    const { token } = await tokens.issue(app.latchkey.db, "PASSWORD_RESET", { userId, email });
    const { errors } = await app.send(RESET_PASSWORD, { token, newPassword: NEW_PASSWORD }, { from });
    expect(errors).toBeUndefined();
  }

  const auditEvents = (type: string, subjectId: string) =>
    app.latchkey.db
      .selectFrom("audit_events")
      .selectAll()
      .where("type", "=", type)
      .where("subject_id", "=", subjectId)
      .execute();

  test("wait longer after each failure of an account from one source (rows 9, 15)", async () => {
    const { id } = await app.createUser("anna");
    const from = "192.0.2.1";
    await fail(5, "anna", from);
    for (const wait of [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1024]) {
      expect(await login("anna", PASSWORD, from)).toEqual({
        outcome: "RATE_LIMITED",
        status: 429,
        message: `Too many attempts. Try again in ${wait} second${wait === 1 ? "" : "s"}.`,
        retryAfter: wait,
        header: String(wait),
      });
      app.clock.advance(wait * SECOND - 1);
      expect((await login("anna", PASSWORD, from)).retryAfter).toBe(1);
      app.clock.advance(1);
      await fail(1, "anna", from);
    }
    expect((await login("anna", PASSWORD, "192.0.2.2")).outcome).toBe("OK");
    app.clock.advance(1024 * SECOND);
    expect((await login("anna", PASSWORD, from)).outcome).toBe("OK");
    await fail(5, "anna", from);
    expect((await login("anna", PASSWORD, from)).retryAfter).toBe(1);
    const events = await auditEvents("ATTEMPTS_LIMITED", id);
    expect(events.map(({ details, ip_address }) => [JSON.parse(details), ip_address])).toEqual([
      [{ limit: "PASSWORD_PAIR" }, from],
      [{ limit: "PASSWORD_PAIR" }, from],
    ]);
  });

  test("draw on one account whatever it is called, at /graphql, at /token and signed in (row 17)", async () => {
    await app.createUser("bella");
    const { accessToken } = await app.login("bella");
    const from = "192.0.2.3";
    for (const name of ["bella", "BELLA", " bella ", "ｂｅｌｌａ"]) await fail(1, name, from);
    const changed = await app.send(
      CHANGE_PASSWORD,
      { currentPassword: WRONG, newPassword: NEW_PASSWORD },
      { token: accessToken, from },
    );
    expect(changed.errors?.[0]?.extensions?.["code"]).toBe("INVALID_CREDENTIALS");
    for (const name of ["Bella@Example.com", "bella"]) {
      expect((await login(name, PASSWORD, from)).outcome).toBe("RATE_LIMITED");
    }
    const token = await app.request("/token", {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded", "x-forwarded-for": from },
      body: new URLSearchParams({ grant_type: "password", username: "bella", password: PASSWORD }),
    });
    expect([token.status, token.headers.get("retry-after"), JSON.parse(token.text)]).toEqual([
      429,
      "1",
      { error: "temporarily_unavailable", error_description: "Too many attempts. Try again in 1 second." },
    ]);
    const again = await app.send(
      CHANGE_PASSWORD,
      { currentPassword: PASSWORD, newPassword: NEW_PASSWORD },
      { token: accessToken, from },
    );
    expect(again.errors?.[0]?.extensions).toEqual({ code: "RATE_LIMITED", retryAfter: 1 });
    expect((await app.send(ME, {}, { token: accessToken, from })).data?.me.username).toBe("bella");
  });

  test("at once are counted before any is checked", async () => {
    const { id } = await app.createUser("carla");
    const answers = await Promise.all(Array.from({ length: 40 }, () => login("carla", WRONG, "192.0.2.4")));
    const outcomes = answers.map(({ outcome }) => outcome);
    const checked = outcomes.filter((outcome) => outcome === "INVALID_CREDENTIALS").length;
    expect([checked > 0, checked <= 5]).toEqual([true, true]);
    expect((await auditEvents("LOGIN_FAILED", id)).length).toBe(checked);
    const others = new Set(outcomes.filter((outcome) => outcome !== "INVALID_CREDENTIALS"));
    expect(["RATE_LIMITED", "OVERLOADED"]).toEqual(expect.arrayContaining([...others]));
  });

  test("are capped for a source over all accounts, but not for who has signed in from there (rows 15, 16)", async () => {
    await app.createUser("dora");
    await app.createUser("emma");
    expect((await login("dora", PASSWORD, "2001:db8:1:1::1")).outcome).toBe("OK");
    for (let n = 0; n < 100; n++) await fail(1, `nobody${n}`, `2001:db8:1:1::${n + 2}`);
    const refused = await login("emma", PASSWORD, "2001:db8:1:1:ffff::1");
    expect(refused).toMatchObject({ outcome: "RATE_LIMITED", retryAfter: 900 });
    expect((await login("emma", PASSWORD, "2001:db8:1:2::1")).outcome).toBe("OK");
    expect((await login("dora", PASSWORD, "2001:db8:1:1::1")).outcome).toBe("OK");
    app.clock.advance(15 * MINUTE);
    expect((await login("emma", PASSWORD, "2001:db8:1:1::1")).outcome).toBe("OK");
  });

  test("that succeed are not counted against their source", async () => {
    await app.createUser("frieda");
    for (let n = 0; n < 99; n++) await fail(1, `noone${n}`, "192.0.2.5");
    expect((await login("frieda", PASSWORD, "192.0.2.5")).outcome).toBe("OK");
    await fail(1, "noone99", "192.0.2.5");
    expect((await login("noone100", WRONG, "192.0.2.5")).outcome).toBe("RATE_LIMITED");
  });

  test("are 100 in a row for an account at most, half of them where it has signed in before (rows 14, 16)", async () => {
    const { id, email } = await app.createUser("greta");
    const home = "192.0.2.6";
    expect((await login("greta", PASSWORD, home)).outcome).toBe("OK");
    for (let n = 0; n < 10; n++) await fail(5, "greta", source(n));
    const refused = {
      outcome: "RATE_LIMITED",
      status: 429,
      message:
        "Too many failed attempts. Set a new password with `requestPasswordReset`, or log in from where you have before.",
      retryAfter: 3600,
      header: "3600",
    };
    expect(await login("greta", PASSWORD, source(10))).toEqual(refused);
    app.clock.advance(366 * DAY);
    expect(await login("greta", PASSWORD, source(10))).toEqual(refused);

    // A name that nobody has is refused alike.
    for (let n = 0; n < 10; n++) await fail(5, "nobody-at-all", source(n));
    expect(await login("nobody-at-all", PASSWORD, source(10))).toEqual(refused);

    // Only what was signed in from within the last 90 days is known.
    expect(await login("greta", PASSWORD, home)).toEqual(refused);
    await resetPassword(id, email);
    expect((await login("greta", NEW_PASSWORD, home)).outcome).toBe("OK");
    for (let n = 0; n < 10; n++) await fail(5, "greta", source(n));
    expect((await login("greta", NEW_PASSWORD, source(11))).outcome).toBe("RATE_LIMITED");
    expect((await login("greta", NEW_PASSWORD, home)).outcome).toBe("OK");
    expect((await login("greta", NEW_PASSWORD, source(11))).outcome).toBe("OK");

    // From known sources there are as many, and no more.
    for (let n = 0; n < 50; n++) {
      await fail(1, "greta", home);
      app.clock.advance(1024 * SECOND);
    }
    expect(await login("greta", NEW_PASSWORD, home)).toEqual(refused);
    await resetPassword(id, email);
    expect((await login("greta", NEW_PASSWORD, home)).outcome).toBe("OK");
    const limits = (await auditEvents("ATTEMPTS_LIMITED", id)).map(
      ({ details }) => JSON.parse(details).limit,
    );
    expect(limits).toContain("PASSWORD_ACCOUNT");
    expect(limits).toContain("PASSWORD_ACCOUNT_KNOWN_SOURCE");
  });

  test("that go on do not lock out an owner who has set a new password (row 16)", async () => {
    const { id, email } = await app.createUser("gina");
    const [former, hotel, home] = ["192.0.2.60", "192.0.2.61", "192.0.2.62"];
    expect((await login("gina", PASSWORD, former)).outcome).toBe("OK");
    for (let n = 0; n < 10; n++) await fail(5, "gina", source(n));
    expect((await login("gina", PASSWORD, hotel)).outcome).toBe("RATE_LIMITED");
    await resetPassword(id, email, hotel);
    // The guesser is faster than the owner.
    for (let n = 0; n < 10; n++) await fail(5, "gina", source(n));
    expect((await login("gina", NEW_PASSWORD, home)).outcome).toBe("RATE_LIMITED");
    // Who knew the old password may have signed in from there.
    expect((await login("gina", NEW_PASSWORD, former)).outcome).toBe("RATE_LIMITED");
    expect((await login("gina", NEW_PASSWORD, hotel)).outcome).toBe("OK");
  });

  test("are counted by all processes together, and remembered after a restart (row 15)", async () => {
    await app.createUser("hanna");
    await fail(3, "hanna", "192.0.2.7");
    const other = await makeApp({ databaseUrl: app.databaseUrl, clock: app.clock });
    const send = (password: string) =>
      other.send(LOGIN, { username: "hanna", password }, { from: "192.0.2.7" });
    for (let n = 0; n < 2; n++) {
      expect((await send(WRONG)).errors?.[0]?.extensions?.["code"]).toBe("INVALID_CREDENTIALS");
    }
    expect((await send(PASSWORD)).errors?.[0]?.extensions?.["code"]).toBe("RATE_LIMITED");
    await other.close();
    expect((await login("hanna", PASSWORD, "192.0.2.7")).outcome).toBe("RATE_LIMITED");
  });

  test("are not evaded by a header that no trusted proxy sent (rows 17, 72)", async () => {
    const bare = await makeApp({ databaseUrl: app.databaseUrl, clock: app.clock, env: { TRUST_PROXY: "" } });
    const proxied = await makeApp({
      databaseUrl: app.databaseUrl,
      clock: app.clock,
      env: { TRUST_PROXY: "loopback,10.0.0.0/8" },
    });
    const { id } = await app.createUser("ilse");
    const addressAt = async (target: App, forwarded: string) => {
      app.clock.advance(SECOND);
      await target.send(LOGIN, { username: "ilse", password: PASSWORD }, { from: forwarded });
      const sessions = target.latchkey.db.selectFrom("sessions").where("user_id", "=", id);
      const latest = sessions.select("ip_address").orderBy("created_at", "desc");
      return (await latest.executeTakeFirstOrThrow()).ip_address;
    };
    expect(await addressAt(bare, "203.0.113.9")).toBe("127.0.0.1");
    expect(await addressAt(proxied, "203.0.113.9")).toBe("203.0.113.9");
    expect(await addressAt(proxied, "203.0.113.8, 203.0.113.9, 10.1.2.3")).toBe("203.0.113.9");
    expect(await addressAt(proxied, "CANARY<script>")).toBe("127.0.0.1");
    for (let n = 0; n < 5; n++) {
      await bare.send(LOGIN, { username: "ilse", password: WRONG }, { from: source(n) });
    }
    const { errors } = await bare.send(LOGIN, { username: "ilse", password: PASSWORD }, { from: source(5) });
    expect(errors?.[0]?.extensions?.["code"]).toBe("RATE_LIMITED");
    await bare.close();
    await proxied.close();
  });

  test("with tokens that are no good are capped for a source, at every place that takes one; good ones get through", async () => {
    const { id } = await app.createUser("jana");
    const from = "192.0.2.8";
    let { refreshToken } = (await app.send(LOGIN, { username: "jana", password: PASSWORD }, { from })).data!
      .login;
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
    expect(await countAt("TOKEN_SOURCE", from)).toBe(5);
    await setCount("TOKEN_SOURCE", from, 295);
    await guesses();
    for (const { status, errors } of await guesses()) {
      expect([status, errors?.[0]?.extensions]).toEqual([429, { code: "RATE_LIMITED", retryAfter: 900 }]);
    }
    refreshToken = (await app.send(REFRESH, { refreshToken }, { from })).data!.refreshToken.refreshToken;
    expect((await app.send(REFRESH, { refreshToken }, { from })).data?.refreshToken.user.id).toBe(id);
  });

  test("to sign up are capped for a source", async () => {
    const from = "192.0.2.9";
    const register = (n: number) =>
      app.send(
        REGISTER,
        { input: { username: `new${n}`, email: `new${n}@example.com`, password: NEW_PASSWORD } },
        { from },
      );
    expect((await register(0)).data?.register.username).toBe("new0");
    await setCount("REGISTRATION_SOURCE", from, 49);
    expect((await register(1)).data?.register.username).toBe("new1");
    const { errors } = await register(2);
    expect(errors?.[0]?.extensions).toEqual({ code: "RATE_LIMITED", retryAfter: 3600 });
  });

  test("to have mails sent to an address are few, whether it has an account or not (rows 19, 43)", async () => {
    const { email } = await app.createUser("klara");
    for (const address of [email, "nobody@example.org"]) {
      let n = 0;
      const request = async () => {
        const variables = { email: address };
        const from = source(n++);
        const { errors } =
          n % 2 === 0
            ? await app.send(REQUEST_PASSWORD_RESET, variables, { from })
            : await app.send(REQUEST_EMAIL_VERIFICATION, variables, { from });
        return errors?.[0]?.extensions;
      };
      for (let sent = 0; sent < 10; sent++) expect(await request()).toBeUndefined();
      // However many others ask for, the owner never waits longer than the last of these.
      for (const retryAfter of [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1024]) {
        expect(await request()).toEqual({ code: "RATE_LIMITED", retryAfter });
        app.clock.advance(retryAfter * SECOND);
        expect(await request()).toBeUndefined();
      }
    }
    expect((await login("klara", PASSWORD, "192.0.2.10")).outcome).toBe("OK");
  });

  test("to estimate a password are capped for a source", async () => {
    const from = "192.0.2.11";
    const strength = () => app.send(PASSWORD_STRENGTH, { password: "x" }, { from });
    expect((await strength()).data?.passwordStrength.score).toBe(0);
    await setCount("PASSWORD_STRENGTH_SOURCE", from, 299);
    expect((await strength()).data?.passwordStrength.score).toBe(0);
    expect((await strength()).errors?.[0]?.extensions).toEqual({ code: "RATE_LIMITED", retryAfter: 900 });
  });

  test("leave nothing of what was typed, and are swept up when they count no more", async () => {
    await fail(1, "CANARY-a-password-in-the-wrong-field", "192.0.2.12");
    const { attempts, sources } = await remembered();
    expect(JSON.stringify(attempts)).not.toMatch(/canary/i);
    expect(attempts.length).toBeGreaterThan(0);
    expect(sources.length).toBeGreaterThan(0);
    app.clock.advance(91 * DAY);
    await app.latchkey.db.deleteFrom("users").execute();
    await app.latchkey.jobs.runDue();
    expect(await remembered()).toEqual({ attempts: [], sources: [] });
  });

  const counts = (name: string, from: string) =>
    app.latchkey.db
      .selectFrom("attempts")
      .select("count")
      .where("name", "=", name)
      .where("source", "=", from);
  const countAt = async (name: string, from: string) => (await counts(name, from).executeTakeFirst())?.count;

  /** As if so many had been made. */
  async function setCount(name: string, from: string, count: number) {
    const rows = app.latchkey.db.updateTable("attempts").set({ count });
    await rows.where("name", "=", name).where("source", "=", from).execute();
  }

  async function remembered() {
    return {
      attempts: await app.latchkey.db.selectFrom("attempts").selectAll().execute(),
      sources: await app.latchkey.db.selectFrom("known_sources").selectAll().execute(),
    };
  }
});
