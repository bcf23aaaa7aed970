import { describe, expect, test } from "@jest/globals";
import { sql } from "kysely";
import pg from "pg";
import { type App, makeApp, PASSWORD } from "../../support/app.js";
import { closingAfterEach } from "../../support/closing.js";
import { DATABASES } from "../../support/databases.js";
import { LOGIN, ME, REGISTER } from "../../support/operations.js";

const TOKEN = "a token of the tests, 32 bytes or more, in words";

/** Returns the samples by name and labels. @throws if the text is not Prometheus text format 0.0.4 */
async function samplesOf(app: App): Promise<Map<string, number>> {
  const { status, headers, text } = await app.request("/metrics");
  expect([status, headers.get("content-type")]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
  expect(text.endsWith("\n")).toBe(true);
  const samples = new Map<string, number>();
  let family = "";
  for (const line of text.split("\n").filter((line) => line !== "")) {
    const help = /^# HELP ([a-z_0-9]+) \S.*$/.exec(line);
    const type = /^# TYPE ([a-z_0-9]+) (counter|gauge|histogram)$/.exec(line);
    const sample = /^([a-z_0-9]+)(?:\{((?:[a-z]+="[^"\\]*",?)*)\})? (\S+)$/.exec(line);
    if (help) family = help[1]!;
    else if (type) {
      expect(type[1]).toBe(family);
      if (family.startsWith("latchkey_")) expect(family.endsWith("_total")).toBe(type[2] === "counter");
    } else {
      expect(sample).not.toBeNull();
      expect(sample![1]!.replace(/_(bucket|sum|count)$/, "")).toBe(family);
      expect(sample![1]).toMatch(/^(latchkey|process|nodejs)_/);
      const key = line.slice(0, line.lastIndexOf(" "));
      expect(samples.has(key)).toBe(false);
      samples.set(key, Number(sample![3]));
    }
  }
  expect([...samples.values()].every(Number.isFinite)).toBe(true);
  return samples;
}

const start = closingAfterEach();

test("a login while the database is unavailable counts as SERVICE_UNAVAILABLE", async () => {
  const app = await start({ database: "postgres" });
  await app.createUser("alice");
  const operator = new pg.Client({ connectionString: `${process.env["TEST_POSTGRES_URL"]}/postgres` });
  await operator.connect();
  await operator.query(`drop database ${new URL(app.databaseUrl).pathname.slice(1)} with (force)`);
  await operator.end();
  const { status, errors } = await app.send(LOGIN, { username: "alice", password: PASSWORD });
  expect([status, errors?.[0]?.extensions?.["code"]]).toEqual([503, "SERVICE_UNAVAILABLE"]);
  const { text } = await app.request("/metrics");
  expect(text.split("\n").filter((line) => line.startsWith("latchkey_logins_total{"))).toEqual([
    'latchkey_logins_total{outcome="SERVICE_UNAVAILABLE"} 1',
  ]);
});

describe.each(DATABASES)("the metrics on %s", (database) => {
  test("count requests by operation and code, and logins by outcome", async () => {
    const app = await start({ database });
    await app.createUser("alice");
    const { accessToken } = await app.login("alice");
    await app.send(LOGIN, { username: "alice", password: "wrong" });
    await app.send(LOGIN, { username: "nobody", password: "wrong" });
    await app.send(ME, {}, { token: accessToken });
    await app.send(ME, {}, { token: accessToken });
    await app.send(ME, {});
    // The client chooses names and aliases, so they never become a label.
    await app.post({ query: "query Chosen { chosen: __typename }" });
    await app.post({
      query: "query { a: __typename ...F } fragment F on Query { b: __typename ... { __typename } }",
    });
    await app.post({ query: "query { __typename ...F } fragment F on Query { me { id } }" });
    await app.post({ query: "{ chosen }" });
    await app.post({ query: "{ chosen" });
    const form = { "content-type": "application/x-www-form-urlencoded" };
    const grant = (password: string) =>
      app.request("/token", {
        method: "POST",
        headers: form,
        body: `grant_type=password&username=alice&password=${password}`,
      });
    await grant("wrong");
    await app.request("/chosen?chosen");
    await app.request("/graphql", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{",
    });

    const samples = await samplesOf(app);
    const of = (name: string) =>
      Object.fromEntries(
        [...samples]
          .filter(([key]) => key.startsWith(`latchkey_${name}{`))
          .map(([key, n]) => [key.slice(name.length + 9), n]),
      );
    expect(of("graphql_requests_total")).toEqual({
      '{operation="login",code="OK"}': 1,
      '{operation="login",code="INVALID_CREDENTIALS"}': 2,
      '{operation="me",code="OK"}': 2,
      '{operation="me",code="UNAUTHENTICATED"}': 1,
      '{operation="__typename",code="OK"}': 2,
      '{operation="several",code="UNAUTHENTICATED"}': 1,
      '{operation="invalid",code="GRAPHQL_VALIDATION_FAILED"}': 1,
      '{operation="invalid",code="GRAPHQL_PARSE_FAILED"}': 1,
    });
    expect(of("logins_total")).toEqual({
      '{outcome="success"}': 1,
      '{outcome="INVALID_CREDENTIALS"}': 3,
    });
    expect(of("http_requests_total")).toEqual({
      '{route="/graphql",code="200"}': 5,
      '{route="/graphql",code="400"}': 3,
      '{route="/graphql",code="401"}': 4,
      '{route="/token",code="400"}': 1,
      '{route="none",code="404"}': 1,
    });
    // The duration of each is in the histogram of its route and of its field.
    const total = (name: string, label: string) =>
      [...samples]
        .filter(([key]) => key.startsWith(`latchkey_${name}_total{${label},`))
        .reduce((sum, [, n]) => sum + n, 0);
    for (const [kind, label] of [
      ["http", 'route="/graphql"'],
      ["http", 'route="/token"'],
      ["http", 'route="none"'],
      ["graphql", 'operation="login"'],
      ["graphql", 'operation="me"'],
      ["graphql", 'operation="several"'],
      ["graphql", 'operation="invalid"'],
    ] as const) {
      const histogram = `latchkey_${kind}_request_duration_seconds`;
      const count = total(`${kind}_requests`, label);
      expect(count).toBeGreaterThan(0);
      expect(samples.get(`${histogram}_count{${label}}`)).toBe(count);
      expect(samples.get(`${histogram}_bucket{le="+Inf",${label}}`)).toBe(count);
      expect(samples.get(`${histogram}_sum{${label}}`)).toBeGreaterThan(0);
    }
    expect([...samples.keys()].join()).not.toMatch(/chosen/i);
  });

  test("show how many emails are queued, and the age of the oldest", async () => {
    const app = await start({ database, env: { SMTP_URL: "smtp://127.0.0.1:1", REGISTRATION: "open" } });
    const backlog = async () => {
      const samples = await samplesOf(app);
      return ["emails", "oldest_email_age_seconds"].map((name) => samples.get(`latchkey_outbox_${name}`));
    };
    expect(await backlog()).toEqual([0, 0]);
    const register = (username: string) =>
      app.send(REGISTER, { input: { username, email: `${username}@example.com`, password: PASSWORD } });
    await register("first");
    app.clock.advance(90_000);
    await register("second");
    expect(await backlog()).toEqual([2, 90]);
    app.clock.advance(10_000);
    expect(await backlog()).toEqual([2, 100]);
    // The other metrics do not need the database.
    await app.latchkey.db.deleteFrom("outbox").execute();
    expect(await backlog()).toEqual([0, 0]);
    await sql`alter table outbox rename to gone`.execute(app.latchkey.db);
    expect(await backlog()).toEqual([undefined, undefined]);
    expect((await samplesOf(app)).size).toBeGreaterThan(50);
  });

  test("show the pool of PostgreSQL's connections", async () => {
    const app = await start({ database });
    await app.createUser("alice");
    const token = (await app.login("alice")).accessToken;
    const pool = async () => {
      const samples = await samplesOf(app);
      return ["idle", "active", "waiting"].map((state) =>
        samples.get(`latchkey_database_pool_connections{state="${state}"}`),
      );
    };
    if (database === "sqlite") expect(await pool()).toEqual([undefined, undefined, undefined]);
    else {
      // More than there are connections, none of which is released.
      const release = Promise.withResolvers<void>();
      const { db } = app.latchkey;
      const holders = Array.from({ length: 12 }, () => db.connection().execute(() => release.promise));
      while ((await pool())[1]! < 10) await new Promise((resolve) => setTimeout(resolve, 10));
      expect(await pool()).toEqual([0, 10, 2]);
      release.resolve();
      await Promise.all(holders);
      expect(await pool()).toEqual([10, 0, 0]);
    }
    expect((await app.send(ME, {}, { token })).status).toBe(200);
  });
});

test("count refused attempts by their kind", async () => {
  const app = await start();
  await app.createUser("alice");
  for (let n = 0; n < 7; n++) await app.send(LOGIN, { username: "alice", password: "wrong" });
  const samples = await samplesOf(app);
  expect(samples.get('latchkey_attempts_refused_total{kind="PASSWORD"}')).toBe(2);
  expect(samples.get('latchkey_logins_total{outcome="INVALID_CREDENTIALS"}')).toBe(5);
  expect(samples.get('latchkey_logins_total{outcome="RATE_LIMITED"}')).toBe(2);
});

test("show the length of the password queue and the time spent waiting in it (row 20)", async () => {
  const app = await start({ config: { bcryptCost: 10 } });
  await app.createUser("alice");
  const before = await samplesOf(app);
  const logins = Array.from({ length: 8 }, (_, n) =>
    app.send(LOGIN, { username: `nobody${n}`, password: "wrong" }),
  );
  let longest = 0;
  let over = false;
  const answers = Promise.all(logins).finally(() => {
    over = true;
  });
  while (!over) {
    longest = Math.max(longest, (await samplesOf(app)).get("latchkey_password_queue_length")!);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect((await answers).map(({ status }) => status)).toEqual(Array(8).fill(401));
  expect(longest).toBeGreaterThan(0);
  expect(longest).toBeLessThan(8);

  const after = await samplesOf(app);
  const grown = (name: string) =>
    after.get(`latchkey_password_wait_seconds_${name}`)! -
    before.get(`latchkey_password_wait_seconds_${name}`)!;
  expect(after.get("latchkey_password_queue_length")).toBe(0);
  expect(grown("count")).toBe(8);
  expect(grown('bucket{le="+Inf"}')).toBe(8);
  // Most waited for other passwords, each of which takes 25 ms or more.
  expect(grown("sum")).toBeGreaterThan(0.1);
  expect(grown('bucket{le="0.025"}')).toBeLessThan(8);
});

test("show the delay of the event loop since the last reading", async () => {
  const app = await start();
  const late = async (stat: string) =>
    (await samplesOf(app)).get(`latchkey_event_loop_delay_${stat}_seconds`)!;
  await new Promise((resolve) => setTimeout(resolve, 100));
  const until = performance.now() + 500;
  while (performance.now() < until);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(await late("max")).toBeGreaterThan(0.4);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(await late("max")).toBeLessThan(0.4);
  expect(await late("p50")).toBeLessThan(0.4);
});

test("show the process: its CPU time, memory, files, start and garbage collections", async () => {
  const app = await start();
  const before = await samplesOf(app);
  for (const name of [
    "process_cpu_seconds_total",
    "process_start_time_seconds",
    "process_resident_memory_bytes",
    "process_open_fds",
    "nodejs_heap_size_used_bytes",
    "nodejs_active_resources_total",
  ]) {
    expect([name, before.get(name)! > 0]).toEqual([name, true]);
  }
  const collections = (samples: Map<string, number>) =>
    [...samples]
      .filter(([key]) => key.startsWith("nodejs_gc_duration_seconds_count"))
      .reduce((sum, [, n]) => sum + n, 0);
  const deadline = performance.now() + 10_000;
  let after = before;
  while (collections(after) <= collections(before) && performance.now() < deadline) {
    Array.from({ length: 100_000 }, (_, n) => ({ n }));
    after = await samplesOf(app);
  }
  expect(collections(after)).toBeGreaterThan(collections(before));
  expect(after.get("process_cpu_seconds_total")).toBeGreaterThan(before.get("process_cpu_seconds_total")!);
});

test("a closed app records nothing more", async () => {
  const app = await makeApp();
  await app.close();
  const { metrics } = app.latchkey;
  const text = async () =>
    (await metrics.read()).text
      .split("\n")
      .filter((line) => /^(nodejs_gc|latchkey_event_loop)/.test(line))
      .join("\n");
  // The last measurements.
  await text();
  const before = await text();
  for (let n = 0; n < 50; n++) {
    Array.from({ length: 100_000 }, (_, n) => ({ n }));
    await new Promise(setImmediate);
  }
  expect(await text()).toBe(before);
});

test("two apps in one process count separately", async () => {
  const [one, other] = [await start(), await start()];
  await one.send(ME, {});
  const key = 'latchkey_graphql_requests_total{operation="me",code="UNAUTHENTICATED"}';
  expect((await samplesOf(one)).get(key)).toBe(1);
  expect((await samplesOf(other)).get(key)).toBeUndefined();
});

describe("who may read them", () => {
  const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

  test("anyone in development", async () => {
    const app = await start();
    expect((await app.request("/metrics")).status).toBe(200);
  });

  test("nobody in production", async () => {
    const app = await start({ env: { NODE_ENV: "production" } });
    for (const request of [{}, bearer("undefined"), bearer("")]) {
      expect(await app.request("/metrics", request)).toMatchObject({
        status: 404,
        text: '{"error":"There is nothing at this path."}',
      });
    }
  });

  test.each(["development", "production"])("only callers with METRICS_TOKEN, in %s", async (NODE_ENV) => {
    const METRICS_TOKEN = TOKEN.replaceAll(/[ ,]/g, "-");
    const app = await start({ env: { NODE_ENV, METRICS_TOKEN } });
    for (const request of [{}, bearer(`${METRICS_TOKEN}x`), bearer(METRICS_TOKEN.slice(0, -1)), bearer("")]) {
      const { status, headers, text } = await app.request("/metrics", request);
      expect([status, text]).toEqual([401, '{"error":"Authenticate with the METRICS_TOKEN."}']);
      expect(headers.get("www-authenticate")).toBe("Bearer");
    }
    const inQuery = await app.request(`/metrics?access_token=${METRICS_TOKEN}`);
    expect(inQuery.status).toBe(401);
    const { status, text } = await app.request("/metrics", bearer(METRICS_TOKEN));
    expect(status).toBe(200);
    expect(text).toContain('latchkey_http_requests_total{route="/metrics",code="401"} 5\n');
    expect(app.seen.filter((line) => line.includes(METRICS_TOKEN))).toEqual([]);
  });
});
