import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import {
  CompiledQuery,
  createQueryId,
  type KyselyPlugin,
  type PluginTransformQueryArgs,
  type PluginTransformResultArgs,
  sql,
} from "kysely";
import { DAY, HOUR, SECOND } from "../../src/clock.js";
import { cleanup } from "../../src/services/cleanup.js";
import type { Tables } from "../../src/storage/tables.js";
import { CREATE_USER } from "../support/administration-operations.js";
import { type App, FrozenClock, makeApp, PASSWORD } from "../support/app.js";
import { DATABASES } from "../support/databases.js";
import { emailedToken } from "../support/emails.js";
import { type Held, hold } from "../support/held.js";
import {
  ACCEPT_INVITATION,
  REFRESH,
  REGISTER,
  REQUEST_EMAIL_VERIFICATION,
  VERIFY_EMAIL,
} from "../support/operations.js";
import { auditEventsOf } from "../support/tables.js";

describe.each(DATABASES)("the cleanup on %s", (database) => {
  let app: App;
  beforeEach(async () => {
    app = await makeApp({ database });
  });
  afterEach(() => app.close());

  const count = async (table: keyof Tables) => {
    const { rows } = await sql<{ n: number }>`select count(*) as n from ${sql.table(table)}`.execute(
      app.latchkey.db,
    );
    return Number(rows[0]!.n);
  };
  const refresh = (refreshToken: string, on = app) => on.send(REFRESH, { refreshToken });

  test("removes more than one batch of each in one run, and leaves rows that have not expired", async () => {
    const { db, jobs } = app.latchkey;
    const { id } = await app.createUser("alice");
    const { refreshToken } = await app.login("alice");
    await fill(app, 450);
    const kept = {
      users: await count("users"),
      sessions: await count("sessions"),
      one_time_tokens: await count("one_time_tokens"),
      challenges: await count("challenges"),
      known_networks: await count("known_networks"),
      attempts: await count("attempts"),
      audit_events: await count("audit_events"),
    };
    const past = app.clock.now() - 500 * DAY;
    await fill(app, 450, { prefix: "old", at: past });
    expect(await count("sessions")).toBe(kept.sessions + 450);
    await jobs.runDue();
    for (const [table, n] of Object.entries(kept)) {
      expect([table, await count(table as keyof Tables)]).toEqual([table, n]);
    }
    expect((await db.selectFrom("users").select("id").where("id", "=", id).execute()).length).toBe(1);
    expect((await refresh(refreshToken)).status).toBe(200);
  });

  test("it keeps a successor for the grace period, even by a clock that is ahead", async () => {
    const ahead = await makeApp({
      databaseUrl: app.databaseUrl,
      clock: clockAt(app.clock.now() + 5 * SECOND),
    });
    try {
      await app.createUser("alice");
      const first = await app.login("alice");
      const second = (await refresh(first.refreshToken)).data!.refreshToken;
      for (const clock of [app.clock, ahead.clock]) clock.advance(10 * SECOND);
      await ahead.latchkey.jobs.runDue();
      expect((await refresh(first.refreshToken)).data?.refreshToken.refreshToken).toBe(second.refreshToken);
      for (const clock of [app.clock, ahead.clock]) clock.advance(HOUR);
      await ahead.latchkey.jobs.runDue();
      const sessions = app.latchkey.db.selectFrom("sessions").select("consumed_refresh_tokens");
      expect(await sessions.execute()).toEqual([{ consumed_refresh_tokens: null }]);
    } finally {
      await ahead.close();
    }
  });

  test("an account is kept while its invitation is valid, and a day longer", async () => {
    const { db, operator, jobs, outbox } = app.latchkey;
    const admin = { username: "admin", email: "admin@example.com", fullName: null };
    await operator.create({ ...admin, roles: ["ADMIN"] }, PASSWORD);
    const invite = async (username: string) => {
      const { accessToken: token } = await app.login("admin");
      await app.send(CREATE_USER, { input: { username, email: `${username}@example.com` } }, { token });
    };
    await invite("ida");
    // The mail server was unavailable for a while.
    app.clock.advance(2 * HOUR);
    await outbox.deliverDue();
    const token = await emailedToken(app, "ida@example.com");
    await invite("never");
    await outbox.deliverDue();
    const names = async () =>
      (await db.selectFrom("users").select("username").orderBy("username").execute()).map(
        ({ username }) => username,
      );
    app.clock.advance(7 * DAY - SECOND);
    await jobs.runDue();
    expect(await names()).toEqual(["admin", "ida", "never"]);
    const { errors } = await app.send(ACCEPT_INVITATION, { token, password: PASSWORD });
    expect(errors).toBeUndefined();
    app.clock.advance(DAY);
    await jobs.runDue();
    expect(await names()).toEqual(["admin", "ida", "never"]);
    app.clock.advance(HOUR);
    await jobs.runDue();
    expect(await names()).toEqual(["admin", "ida"]);
  });

  test("an account is kept while a link to verify its address is valid, and a day longer", async () => {
    const { db, jobs } = app.latchkey;
    for (const username of ["late", "never"]) {
      const email = `${username}@example.com`;
      await app.send(REGISTER, { input: { username, email, password: PASSWORD } });
      await app.latchkey.outbox.deliverDue();
    }
    // An hour less than the week for which an unverified account is kept.
    app.clock.advance(7 * DAY - HOUR);
    await jobs.runDue();
    const tokens = [];
    for (const email of ["late@example.com", "never@example.com"]) {
      await app.send(REQUEST_EMAIL_VERIFICATION, { email });
      tokens.push(await emailedToken(app, email));
    }
    const names = async () =>
      (await db.selectFrom("users").select("username").orderBy("username").execute()).map(
        ({ username }) => username,
      );
    app.clock.advance(DAY - SECOND);
    await jobs.runDue();
    expect(await names()).toEqual(["late", "never"]);
    const { errors } = await app.send(VERIFY_EMAIL, { token: tokens[0]! });
    expect(errors).toBeUndefined();
    app.clock.advance(DAY + HOUR);
    await jobs.runDue();
    expect(await names()).toEqual(["late"]);
  });

  test("audit events are removed within a day after AUDIT_RETENTION_DAYS", async () => {
    const short = await makeApp({
      databaseUrl: app.databaseUrl,
      clock: app.clock,
      env: { AUDIT_RETENTION_DAYS: "30" },
    });
    try {
      const { id } = await short.createUser("alice");
      app.clock.advance(DAY);
      await short.login("alice");
      const types = async () => (await auditEventsOf(short.latchkey.db, id)).map(({ type }) => type);
      app.clock.advance(29 * DAY);
      await short.latchkey.jobs.runDue();
      expect(await types()).toEqual(["USER_CREATED", "LOGIN_SUCCEEDED"]);
      app.clock.advance(HOUR);
      await short.latchkey.jobs.runDue();
      expect(await types()).toEqual(["LOGIN_SUCCEEDED"]);
      app.clock.advance(DAY);
      await short.latchkey.jobs.runDue();
      expect(await types()).toEqual([]);
    } finally {
      await short.close();
    }
  });

  test("finds expired rows by an index, however many other rows there are", async () => {
    await fill(app, 5000);
    const { db } = app.latchkey;
    if (database === "postgres") await sql`analyze`.execute(db);
    const recorder = new Recorder();
    const deps = { clock: app.clock, grace: 10 * SECOND, auditRetention: 400 * DAY };
    await cleanup({ db: db.withPlugin(recorder), ...deps }).run();
    expect(recorder.nodes.length).toBeGreaterThanOrEqual(8);
    for (const node of recorder.nodes) {
      const statement = db.getExecutor().compileQuery(node, createQueryId());
      // Only as many keys as were rotated within the lifetime of a token.
      if (statement.sql.startsWith('delete from "signing_keys"')) continue;
      const explain = database === "postgres" ? "explain" : "explain query plan";
      const { rows } = await db.executeQuery<Record<string, unknown>>(
        CompiledQuery.raw(`${explain} ${statement.sql}`, [...statement.parameters]),
      );
      const plan = rows.map((row) => String(row["QUERY PLAN"] ?? row["detail"])).join("\n");
      expect(plan).toMatch(database === "postgres" ? /Index/ : /USING .*INDEX/);
      expect(`${statement.sql}\n${plan}`).not.toMatch(/Seq Scan|^SCAN/m);
    }
  });
});

describe("while another transaction changes an expired row, on postgres (row 71)", () => {
  let app: App;
  let held: Held | undefined;
  beforeEach(async () => {
    app = await makeApp({ database: "postgres" });
  });
  afterEach(async () => {
    await held?.commit();
    held = undefined;
    await app.close();
  });

  const far = Date.parse("2027-01-01T00:00:00Z");
  const CHANGES: [what: string, table: keyof Tables, change: string][] = [
    ["an account that is verified", "users", `email_verified_at = ${far} where username = 'old1'`],
    ["a session that is refreshed", "sessions", `expires_at = ${far} where id = 'old1'`],
    ["a one-time token that is extended", "one_time_tokens", `expires_at = ${far} where token_hash = 'old1'`],
    ["an attempt that is counted", "attempts", `expires_at = ${far} where account = 'old1'`],
    ["a network with a new sign-in", "known_networks", `expires_at = ${far} where network = 'old1'`],
  ];

  test.each(CHANGES)("%s is kept", async (_what, table, change) => {
    const { db, jobs } = app.latchkey;
    await fill(app, 3);
    await fill(app, 3, { prefix: "old", at: app.clock.now() - 500 * DAY });
    held = await hold(app, [`update ${table} set ${change}`]);
    const run = jobs.runDue();
    await held.waited();
    await held.commit();
    await run;
    const { rows } = await sql<{ n: number }>`select count(*) as n from ${sql.table(table)}`.execute(db);
    expect(Number(rows[0]!.n)).toBe(3 + 1);
  });

  test("a successor is kept when the session is refreshed", async () => {
    const { db, jobs } = app.latchkey;
    await fill(app, 3);
    app.clock.advance(HOUR);
    held = await hold(app, [
      `update sessions set last_used_at = ${app.clock.now()}, consumed_refresh_tokens = '[1]' where id = 'new1'`,
    ]);
    const run = jobs.runDue();
    await held.waited();
    await held.commit();
    await run;
    const sessions = await db
      .selectFrom("sessions")
      .select(["id", "consumed_refresh_tokens"])
      .orderBy("id")
      .execute();
    expect(sessions.map((session) => session.consumed_refresh_tokens)).toEqual(["[1]", null, null]);
  });
});

/** Inserts rows that have not expired; or, called again for "old", expired rows that belong to the first ones. */
async function fill(
  app: App,
  n: number,
  { prefix = "new", at = app.clock.now() }: { prefix?: string; at?: number } = {},
): Promise<void> {
  const { db } = app.latchkey;
  const numbers = sql`with recursive numbers(i) as (select 1 union all select i + 1 from numbers where i < ${sql.lit(n)})`;
  const id = sql`${sql.lit(prefix)} || i`;
  const owner = sql`${sql.lit("new")} || i`;
  const over = prefix === "old";
  const time = sql.lit(at);
  const until = sql.lit(over ? at : at + 10 * DAY);
  const eventId = sql.lit(`${over ? "0" : "f"}0000000-0000-7000-8000-`);
  const tables = [
    sql`into users (id, username, email, roles, created_at, updated_at) ${numbers}
      select ${id}, ${id}, ${id}, '["USER"]', ${time}, ${time} from numbers`,
    sql`into sessions (id, user_id, created_at, last_used_at, expires_at, absolute_expires_at, consumed_refresh_tokens)
      ${numbers} select ${id}, ${owner}, ${time}, ${time}, ${until}, ${until}, '[]' from numbers`,
    sql`into one_time_tokens (token_hash, user_id, purpose, email, expires_at) ${numbers}
      select ${id}, ${owner}, 'INVITATION', ${id}, ${until} from numbers`,
    sql`into challenges (challenge_hash, purpose, user_id, expires_at) ${numbers}
      select ${id}, 'SIGN_IN', ${owner}, ${until} from numbers`,
    sql`into known_networks (user_id, network, expires_at) ${numbers} select ${owner}, ${id}, ${until} from numbers`,
    sql`into attempts (name, account, network, count, next_at, expires_at) ${numbers}
      select 'login', ${id}, '', 1, 0, ${until} from numbers`,
    sql`into audit_events (id, at, type, details) ${numbers}
      select ${eventId} || (100000000000 + i), ${time}, 'LOGIN_FAILED', '{}' from numbers`,
  ];
  for (const rows of tables) await sql`insert ${rows}`.execute(db);
}

function clockAt(time: number): FrozenClock {
  const clock = new FrozenClock();
  clock.advance(time - clock.now());
  return clock;
}

/** Records the statements that run. */
class Recorder implements KyselyPlugin {
  readonly nodes: PluginTransformQueryArgs["node"][] = [];

  transformQuery({ node }: PluginTransformQueryArgs) {
    this.nodes.push(node);
    return node;
  }

  async transformResult({ result }: PluginTransformResultArgs) {
    return result;
  }
}
