import { setTimeout } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import pg from "pg";
import { SECOND, systemClock } from "../../src/clock.js";
import { makeApp, PASSWORD, withRefreshToken } from "../support/app.js";
import { CREATE_ITEM, LOGIN, LOGOUT, ME, REFRESH, REGISTER } from "../support/operations.js";
import { type Postgres, startPostgres } from "../support/postgres.ts";
import { startProxy } from "../support/proxy.js";
import { type Server, startServer } from "../support/server.js";

/** No request takes longer, whatever its response. */
const LONGEST_ANSWER = 20 * SECOND;
/** How long to wait until a state is reached, which takes several answers. */
const LONGEST_WAIT = 35 * SECOND;
const FAILURES = ["SERVICE_UNAVAILABLE", "OVERLOADED"];
const UNAVAILABLE = "The service is unavailable. Try again in a few seconds.";
/** The mail server is always down. */
const ENV = { REGISTRATION: "open", SMTP_URL: "smtp://127.0.0.1:1" };

interface Outcome {
  what: string;
  startedAt: number;
  /** Milliseconds until the answer. */
  took: number;
  code: string | undefined;
}

describe("when PostgreSQL fails (row 66)", () => {
  let postgres: Postgres;
  let proxy: Awaited<ReturnType<typeof startProxy>>;
  let server: Server;
  let operator: pg.Client;
  let databases = 0;
  let stopped = false;
  beforeAll(async () => {
    postgres = await startPostgres();
    proxy = await startProxy(Number(new URL(postgres.url).port));
  }, 60_000);
  afterAll(async () => {
    proxy.close();
    await postgres.remove();
  });

  beforeEach(async () => {
    stopped = false;
    const name = `faults_${databases++}`;
    await query("postgres", `create database ${name}`);
    const app = await makeApp({ databaseUrl: `${postgres.url}/${name}`, clock: systemClock });
    for (const username of ["alice", "bob", "carol"]) await app.createUser(username);
    await app.close();
    const url = new URL(`${postgres.url}/${name}`);
    url.port = String(proxy.port);
    server = await startServer(url.href, ENV);
    operator = await connect(name);
  }, 60_000);
  afterEach(async () => {
    // Load left over from a failed test.
    stopped = true;
    await operator.end();
    await server.end("SIGTERM");
    const { code, stdout, stderr } = await server.program.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    // One line when the database goes and one when it is back, in turns, and no other about a failure.
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    const about = lines.filter(({ level, msg }) => level > 40 || /the database is/.test(msg));
    expect(about.length).toBeGreaterThan(0);
    expect(about.length).toBeLessThan(20);
    for (const [n, { msg }] of about.entries())
      expect(msg).toBe(n % 2 === 0 ? "the database is away" : "the database is back");
  }, 60_000);

  async function connect(database: string): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: `${postgres.url}/${database}` });
    // PostgreSQL is stopped while this is connected.
    client.on("error", () => {});
    await client.connect();
    return client;
  }
  async function query(database: string, text: string): Promise<void> {
    const client = await connect(database);
    await client.query(text);
    await client.end();
  }

  const statusOf = async (path: string) => (await fetch(`${server.address}${path}`)).status;
  async function login(username: string) {
    const { data, errors } = await server.send(LOGIN, { username, password: PASSWORD });
    if (!data) throw new Error(JSON.stringify(errors));
    return withRefreshToken(data.login);
  }
  async function signedOut(): Promise<{ token: string }> {
    const { accessToken: token } = await login("carol");
    await server.send(LOGOUT, {}, { token });
    return { token };
  }

  /** Starts clients that never give up. */
  async function startLoad() {
    const [alice, bob, nobody] = [await login("alice"), await login("bob"), await signedOut()];
    const token = { token: alice.accessToken };
    let refreshToken = bob.refreshToken;
    let accounts = 0;
    const outcomes: Outcome[] = [];
    // A login that fails half-way counts as an attempt: each comes from its own network.
    let networks = 0;
    const from = () => `203.0.113.${networks++ % 250}`;
    async function client(what: string, send: () => ReturnType<Server["send"]>, pause: number) {
      while (!stopped) {
        const startedAt = performance.now();
        const { errors } = await send().catch(() => ({ errors: [{ extensions: { code: "NO ANSWER" } }] }));
        const code = errors?.[0]?.extensions?.["code"] as string | undefined;
        outcomes.push({ what, startedAt, took: performance.now() - startedAt, code });
        await setTimeout(pause);
      }
    }
    const clients = [
      ...Array.from({ length: 8 }, () => client("me", () => server.send(ME, {}, token), 10)),
      client("me, signed out", () => server.send(ME, {}, nobody), 10),
      client(
        "login",
        () => server.send(LOGIN, { username: "alice", password: PASSWORD }, { from: from() }),
        50,
      ),
      ...Array.from({ length: 3 }, () =>
        client(
          "refresh",
          async () => {
            const answer = await server.send(REFRESH, { refreshToken });
            refreshToken = answer.data?.refreshToken.refreshToken ?? refreshToken;
            return answer;
          },
          10,
        ),
      ),
      client(
        "register",
        () => {
          const username = `new-${accounts++}`;
          const input = { username, email: `${username}@example.com`, password: PASSWORD };
          return server.send(REGISTER, { input }, { from: from() });
        },
        200,
      ),
    ];
    return {
      /** What was asked since, and has been answered. */
      askedSince: (time: number) => outcomes.filter(({ startedAt }) => startedAt >= time),
      /** The same, once there are so many. */
      async answered(number: number, time: number) {
        const deadline = performance.now() + LONGEST_ANSWER;
        for (;;) {
          const since = outcomes.filter(({ startedAt }) => startedAt >= time);
          if (since.length >= number) return since;
          if (performance.now() > deadline) throw new Error(`only ${since.length} of ${number} are answered`);
          await setTimeout(20);
        }
      },
      answeredSince: (time: number) => outcomes.filter(({ startedAt, took }) => startedAt + took >= time),
      /** Ends all clients. @returns the refresh token that was acknowledged last, and all outcomes */
      async stop() {
        stopped = true;
        await Promise.all(clients);
        expect(outcomes.filter(({ took }) => took > LONGEST_ANSWER)).toEqual([]);
        const unexpected = outcomes.filter(({ what, code }) =>
          what === "me, signed out"
            ? ![...FAILURES, "UNAUTHENTICATED"].includes(code ?? "let in")
            : ![undefined, ...FAILURES].includes(code),
        );
        expect(unexpected).toEqual([]);
        return { refreshToken, accessToken: alice.accessToken, outcomes };
      },
    };
  }

  /** Waits until a condition holds; fails after the longest time that a request takes. */
  async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
    const deadline = performance.now() + LONGEST_WAIT;
    while (!(await condition())) {
      if (performance.now() > deadline) throw new Error(`not within ${LONGEST_WAIT} ms: ${condition}`);
      await setTimeout(20);
    }
  }

  const whatFailed = (outcomes: Outcome[]) =>
    [...new Set(outcomes.filter(({ code }) => FAILURES.includes(code ?? "")).map(({ what }) => what))].sort();

  async function recovered(): Promise<number> {
    const start = performance.now();
    await until(async () => (await statusOf("/readyz")) === 200);
    return performance.now() - start;
  }

  test("stopped under load and started again: errors meanwhile, and everything recovers by itself", async () => {
    const load = await startLoad();
    const waiting = await login("bob");
    await load.answered(20, performance.now());
    await postgres.kill();
    await setTimeout(100);
    const down = performance.now();
    // Readiness is cached for a second.
    await until(async () => (await statusOf("/readyz")) === 503);
    for (let n = 0; n < 4; n++) {
      expect([await statusOf("/healthz"), await statusOf("/readyz")]).toEqual([200, 503]);
      await setTimeout(0.3 * SECOND);
    }
    for (const path of ["/token", "/revoke"]) {
      const response = await fetch(`${server.address}${path}`, {
        method: "POST",
        body: new URLSearchParams({ grant_type: "refresh_token", refresh_token: "x", token: "x" }),
      });
      expect([response.status, response.headers.get("retry-after"), await response.json()]).toEqual([
        503,
        "5",
        { error: "temporarily_unavailable", error_description: UNAVAILABLE },
      ]);
    }
    const answer = await server.send(ME, {}, { token: waiting.accessToken });
    expect([answer.status, answer.headers.get("retry-after"), answer.errors]).toEqual([
      503,
      "5",
      [{ message: UNAVAILABLE, extensions: { code: "SERVICE_UNAVAILABLE", retryAfter: 5 } }],
    ]);
    const forwarded = await fetch(`${server.address}/forward-auth`, {
      headers: { authorization: `Bearer ${waiting.accessToken}` },
    });
    expect([forwarded.status, await forwarded.json()]).toEqual([503, { error: UNAVAILABLE }]);
    const everything = ["login", "me", "me, signed out", "refresh", "register"];
    await until(() => whatFailed(load.askedSince(down)).length === everything.length);
    const meanwhile = load.askedSince(down);
    expect(meanwhile.filter(({ code }) => !FAILURES.includes(code ?? "answered"))).toEqual([]);
    expect(whatFailed(meanwhile)).toEqual(everything);
    await postgres.start();
    expect(await recovered()).toBeLessThan(5 * SECOND);
    await setTimeout(0.5 * SECOND);
    const up = performance.now();
    expect(whatFailed(await load.answered(20, up))).toEqual([]);
    const { refreshToken, accessToken } = await load.stop();
    // Tokens from before and during the outage, one of them of a client that was idle.
    expect((await server.send(ME, {}, { token: accessToken })).errors).toBeUndefined();
    for (const token of [refreshToken, waiting.refreshToken])
      expect((await server.send(REFRESH, { refreshToken: token })).errors).toBeUndefined();
  }, 60_000);

  test("connections that are terminated under load, again and again, fail only the requests that used them", async () => {
    const load = await startLoad();
    for (let n = 0; n < 30; n++) {
      await setTimeout(50);
      await operator.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'latchkey'",
      );
    }
    await setTimeout(0.5 * SECOND);
    const up = performance.now();
    expect(whatFailed(await load.answered(20, up))).toEqual([]);
    const { refreshToken, outcomes } = await load.stop();
    expect(whatFailed(outcomes)).not.toEqual([]);
    expect((await server.send(REFRESH, { refreshToken })).errors).toBeUndefined();
  }, 60_000);

  test("read-only: signed-in users can still read, nothing is written, and it is not ready", async () => {
    const { accessToken: token, refreshToken } = await login("alice");
    expect(await statusOf("/readyz")).toBe(200);
    const { rows } = await operator.query("select current_database() as name");
    const readOnly = async (on: boolean) => {
      await operator.query(`alter database ${rows[0].name} set default_transaction_read_only = ${on}`);
      await operator.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'latchkey'",
      );
    };
    await readOnly(true);
    await until(async () => (await statusOf("/readyz")) === 503);
    expect((await server.send(ME, {}, { token })).status).toBe(200);
    const refused = await server.send(REFRESH, { refreshToken });
    expect([refused.status, refused.errors?.[0]?.extensions?.["code"]]).toEqual([503, "SERVICE_UNAVAILABLE"]);
    expect([await statusOf("/healthz"), await statusOf("/readyz")]).toEqual([200, 503]);
    await operator.query("set default_transaction_read_only = off");
    await readOnly(false);
    expect(await recovered()).toBeLessThan(5 * SECOND);
    expect((await server.send(REFRESH, { refreshToken })).errors).toBeUndefined();
  }, 60_000);

  test("an answer that is lost in the middle of a transaction", async () => {
    const { accessToken: token } = await login("alice");
    await operator.query("begin; select id from users where username = 'alice' for update");
    const answer = server.send(CREATE_ITEM, { input: { title: "Lost" } }, { token });
    for (const deadline = performance.now() + 3 * SECOND; performance.now() < deadline; ) {
      const { rows } = await operator.query(
        "select 1 from pg_locks where not granted and pid <> pg_backend_pid()",
      );
      if (rows.length > 0) break;
      await setTimeout(10);
    }
    proxy.lose();
    const { status, errors } = await answer;
    proxy.restore();
    await operator.query("rollback");
    expect([status, errors?.[0]?.extensions?.["code"]]).toEqual([503, "SERVICE_UNAVAILABLE"]);
    expect(await recovered()).toBeLessThan(5 * SECOND);
  }, 60_000);

  test.each([
    [
      "a lock on a table",
      () => operator.query("begin; lock table sessions in access exclusive mode"),
      () => operator.query("rollback"),
    ],
    ["a network that loses everything", () => proxy.lose(), () => proxy.restore()],
  ])(
    "%s: answers come in bounded time, and everything recovers by itself",
    async (_what, begin, end) => {
      const load = await startLoad();
      await load.answered(20, performance.now());
      await begin();
      const begun = performance.now() + 100;
      // A login is several statements, each of which waits for a connection and then for the lock.
      const all = ["login", "me", "me, signed out", "refresh"];
      await until(() => {
        const failed = whatFailed(load.answeredSince(begun));
        return all.every((what) => failed.includes(what));
      });
      const meanwhile = load.answeredSince(begun);
      expect(
        meanwhile.filter(({ what, code }) => what.startsWith("me") && !FAILURES.includes(code ?? "")),
      ).toEqual([]);
      expect(await statusOf("/healthz")).toBe(200);
      await end();
      expect(await recovered()).toBeLessThan(5 * SECOND);
      await setTimeout(SECOND);
      const up = performance.now();
      expect(whatFailed(await load.answered(20, up))).toEqual([]);
      await load.stop();
    },
    60_000,
  );
});
