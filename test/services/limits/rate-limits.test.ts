import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { DAY, MINUTE, SECOND } from "../../../src/clock.js";
import { OneTimeTokens } from "../../../src/services/email/one-time-tokens.js";
import { type App, makeApp, NEW_PASSWORD, PASSWORD } from "../../support/app.js";
import { attemptsOn, network, WRONG } from "../../support/attempts.js";
import { DATABASES } from "../../support/databases.js";
import {
  CHANGE_PASSWORD,
  DELETE_ACCOUNT,
  LOGIN,
  ME,
  REGISTER,
  RESET_PASSWORD,
} from "../../support/operations.js";

describe.each(DATABASES)("attempts on %s", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database });
  });
  afterAll(() => app.close());

  const { login, fail } = attemptsOn(() => app);

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

  test("have to wait longer after each failure for an account from one network (rows 9, 15)", async () => {
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

  test("count for one account by any of its names, at /graphql, at /token and signed in (row 17)", async () => {
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

  test("that are concurrent are all counted before any is checked", async () => {
    const { id } = await app.createUser("carla");
    const answers = await Promise.all(Array.from({ length: 40 }, () => login("carla", WRONG, "192.0.2.4")));
    const outcomes = answers.map(({ outcome }) => outcome);
    const checked = outcomes.filter((outcome) => outcome === "INVALID_CREDENTIALS").length;
    expect([checked > 0, checked <= 5]).toEqual([true, true]);
    expect((await auditEvents("LOGIN_FAILED", id)).length).toBe(checked);
    const others = new Set(outcomes.filter((outcome) => outcome !== "INVALID_CREDENTIALS"));
    expect(["RATE_LIMITED", "OVERLOADED"]).toEqual(expect.arrayContaining([...others]));
  });

  test("are limited for a network over all accounts, except for users who have signed in from there (rows 15, 16)", async () => {
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

  test("that succeed do not count against their network", async () => {
    await app.createUser("frieda");
    for (let n = 0; n < 99; n++) await fail(1, `noone${n}`, "192.0.2.5");
    expect((await login("frieda", PASSWORD, "192.0.2.5")).outcome).toBe("OK");
    await fail(1, "noone99", "192.0.2.5");
    expect((await login("noone100", WRONG, "192.0.2.5")).outcome).toBe("RATE_LIMITED");
  });

  test("are at most 100 in a row for an account, half of them from networks where it has signed in before (rows 14, 16)", async () => {
    const { id, email } = await app.createUser("greta");
    const home = "192.0.2.6";
    expect((await login("greta", PASSWORD, home)).outcome).toBe("OK");
    for (let n = 0; n < 10; n++) await fail(5, "greta", network(n));
    const refused = {
      outcome: "RATE_LIMITED",
      status: 429,
      message:
        "Too many failed attempts. Set a new password with `requestPasswordReset`, or log in from a network you have signed in from before.",
      retryAfter: 3600,
      header: "3600",
    };
    expect(await login("greta", PASSWORD, network(10))).toEqual(refused);
    app.clock.advance(366 * DAY);
    expect(await login("greta", PASSWORD, network(10))).toEqual(refused);

    // A name that does not exist is refused in the same way.
    for (let n = 0; n < 10; n++) await fail(5, "nobody-at-all", network(n));
    expect(await login("nobody-at-all", PASSWORD, network(10))).toEqual(refused);

    // Only networks of sign-ins within the last 90 days are known.
    expect(await login("greta", PASSWORD, home)).toEqual(refused);
    await resetPassword(id, email);
    expect((await login("greta", NEW_PASSWORD, home)).outcome).toBe("OK");
    for (let n = 0; n < 10; n++) await fail(5, "greta", network(n));
    expect((await login("greta", NEW_PASSWORD, network(11))).outcome).toBe("RATE_LIMITED");
    expect((await login("greta", NEW_PASSWORD, home)).outcome).toBe("OK");
    expect((await login("greta", NEW_PASSWORD, network(11))).outcome).toBe("OK");

    // From known networks there are another 50, and no more.
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
    expect(limits).toContain("PASSWORD_ACCOUNT_KNOWN_NETWORK");
  });

  test("that continue do not lock out an owner who has set a new password (row 16)", async () => {
    const { id, email } = await app.createUser("gina");
    const [former, hotel, home] = ["192.0.2.60", "192.0.2.61", "192.0.2.62"];
    expect((await login("gina", PASSWORD, former)).outcome).toBe("OK");
    for (let n = 0; n < 10; n++) await fail(5, "gina", network(n));
    expect((await login("gina", PASSWORD, hotel)).outcome).toBe("RATE_LIMITED");
    await resetPassword(id, email, hotel);
    // The attacker is faster than the owner.
    for (let n = 0; n < 10; n++) await fail(5, "gina", network(n));
    expect((await login("gina", NEW_PASSWORD, home)).outcome).toBe("RATE_LIMITED");
    // Someone who knew the old password may have signed in from there.
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
    // A zone has a meaning only on the sender's machine (RFC 4007, 11), and may be any text.
    expect(await addressAt(proxied, "1::%a:b")).toBe("1::");
    expect(await addressAt(proxied, "fe80::1%eth0")).toBe("fe80::1");
    expect(await addressAt(proxied, "203.0.113.9, 1::%a:b, 10.1.2.3")).toBe("1::");
    expect(await addressAt(proxied, "203.0.113.9, ::ffff:10.1.2.3%x, 10.1.2.3")).toBe("203.0.113.9");
    for (const garbage of [
      "1::%",
      "%",
      "1.2.3.4%x",
      "::ffff:1.2.3.4%x",
      "1::%a:b%c",
      "1.2.3.4:80",
      "[1::]:80",
    ])
      expect(await addressAt(proxied, garbage)).toEqual(expect.any(String));
    for (let n = 0; n < 5; n++) {
      await bare.send(LOGIN, { username: "ilse", password: WRONG }, { from: network(n) });
    }
    const { errors } = await bare.send(LOGIN, { username: "ilse", password: PASSWORD }, { from: network(5) });
    expect(errors?.[0]?.extensions?.["code"]).toBe("RATE_LIMITED");
    await bare.close();
    await proxied.close();
  });
  test("store nothing of what was typed, and are removed once they no longer count", async () => {
    await fail(1, "CANARY-a-password-in-the-wrong-field", "192.0.2.12");
    const { attempts, networks } = await remembered();
    expect(JSON.stringify(attempts)).not.toMatch(/canary/i);
    expect(attempts.length).toBeGreaterThan(0);
    expect(networks.length).toBeGreaterThan(0);
    app.clock.advance(91 * DAY);
    await app.latchkey.db.deleteFrom("users").execute();
    await app.latchkey.jobs.runDue();
    expect(await remembered()).toEqual({ attempts: [], networks: [] });
  });

  test("for a name that does not exist start from zero 30 days after the first of them", async () => {
    for (let n = 0; n < 10; n++) await fail(5, "nobody-for-long", network(n));
    app.clock.advance(30 * DAY - 1);
    expect((await login("nobody-for-long", WRONG, network(10))).outcome).toBe("RATE_LIMITED");
    app.clock.advance(1);
    expect((await login("nobody-for-long", WRONG, network(10))).outcome).toBe("INVALID_CREDENTIALS");
  });

  test("and known networks of a removed user are removed as well", async () => {
    const input = { username: "paula", email: "paula@example.org", password: NEW_PASSWORD };
    await app.send(REGISTER, { input }, { from: "192.0.2.80" });
    const row = app.latchkey.db.selectFrom("users").select("id").where("username", "=", "paula");
    const { id: unverified } = await row.executeTakeFirstOrThrow();
    await fail(1, "paula", "192.0.2.80");
    expect((await rememberedOf(unverified)).attempts.length).toBeGreaterThan(0);
    // An account that was never verified is removed after a week.
    app.clock.advance(8 * DAY);
    await app.latchkey.jobs.runDue();
    expect(await rememberedOf(unverified)).toEqual({ attempts: [], networks: [] });

    const { id } = await app.createUser("petra");
    const from = "192.0.2.81";
    const token = (await app.send(LOGIN, { username: "petra", password: PASSWORD }, { from })).data!.login
      .accessToken;
    await fail(1, "petra", "192.0.2.82");
    const before = await rememberedOf(id);
    expect([before.attempts.length > 0, before.networks.map(({ network }) => network)]).toEqual([
      true,
      [from],
    ]);
    const deleted = await app.send(DELETE_ACCOUNT, {}, { token, from });
    expect(deleted.data).toEqual({ deleteAccount: true });
    await app.latchkey.jobs.runDue();
    expect(await rememberedOf(id)).toEqual({ attempts: [], networks: [] });
  });

  test("start from zero after a change of the password, and only the network of the change is known then (row 16)", async () => {
    const { id } = await app.createUser("rosa");
    const [former, home] = ["192.0.2.83", "192.0.2.84"];
    expect((await login("rosa", PASSWORD, former)).outcome).toBe("OK");
    const signedIn = await app.send(LOGIN, { username: "rosa", password: PASSWORD }, { from: home });
    for (let n = 0; n < 10; n++) await fail(5, "rosa", network(n));
    expect((await login("rosa", PASSWORD, network(10))).outcome).toBe("RATE_LIMITED");
    const change = { currentPassword: PASSWORD, newPassword: NEW_PASSWORD };
    const token = signedIn.data!.login.accessToken;
    expect((await app.send(CHANGE_PASSWORD, change, { token, from: home })).errors).toBeUndefined();
    const { attempts, networks } = await rememberedOf(id);
    expect([attempts, networks.map(({ network }) => network)]).toEqual([[], [home]]);
    expect((await login("rosa", NEW_PASSWORD, network(10))).outcome).toBe("OK");
  });

  const rememberedOf = async (id: string) => ({
    attempts: await app.latchkey.db.selectFrom("attempts").selectAll().where("account", "=", id).execute(),
    networks: await app.latchkey.db
      .selectFrom("known_networks")
      .selectAll()
      .where("user_id", "=", id)
      .execute(),
  });

  async function remembered() {
    return {
      attempts: await app.latchkey.db.selectFrom("attempts").selectAll().execute(),
      networks: await app.latchkey.db.selectFrom("known_networks").selectAll().execute(),
    };
  }
});
