import { writeFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { systemClock } from "../../src/clock.js";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { DATABASES, newSqliteFile } from "../support/databases.js";
import { hold } from "../support/held.js";
import { LOGIN, LOGOUT, ME, MY_SESSIONS, REFRESH, UPDATE_PROFILE } from "../support/operations.js";
import { startMain } from "../support/program.js";
import { type Server, startServer } from "../support/server.js";
import { connectToEach, linesOf, startWorkers, untilListening } from "../support/workers.js";

const METRICS_TOKEN = "a-token-of-the-tests-of-32-bytes-or-more";
const METRICS = { authorization: `Bearer ${METRICS_TOKEN}` };
/** The same issuer as makeApp(). */
const ENV = { PUBLIC_URL: "http://localhost:4000", METRICS_TOKEN };

describe.each(DATABASES)("two workers on %s, as one service,", (database) => {
  let app: App;
  let server: Server;
  let workers: Awaited<ReturnType<typeof startWorkers>>["workers"];
  beforeAll(async () => {
    app = await makeApp({ database, clock: systemClock });
    await app.createUser("alice");
    ({ server, workers } = await startWorkers(app.databaseUrl, ENV));
  });
  afterAll(async () => {
    await server?.end("SIGKILL");
    await app.close();
  });

  test("share sessions and signing keys", async () => {
    const [one, other] = workers;
    const credentials = { username: "alice", password: PASSWORD };
    const { data } = await one.send(LOGIN, credentials);
    const token = data!.login.accessToken;
    const me = async () => Promise.all(workers.map(async (worker) => worker.send(ME, {}, { token })));
    expect((await me()).map(({ status }) => status)).toEqual([200, 200]);
    expect((await other.send(LOGOUT, {}, { token })).data).toEqual({ logout: true });
    for (const { status, errors } of await me())
      expect([status, errors?.[0]?.extensions?.["reason"]]).toEqual([401, "SESSION_REVOKED"]);

    const keys = await Promise.all(workers.map((worker) => worker.get("/.well-known/jwks.json")));
    expect(keys[0]!.text).toBe(keys[1]!.text);
  });

  test("count attempts together", async () => {
    const { data } = await workers[0].send(LOGIN, { username: "alice", password: PASSWORD });
    const token = data!.login.accessToken;
    const statuses: number[] = [];
    for (let n = 0; n < 22; n++) {
      const input = { fullName: `Alice ${n}` };
      statuses.push((await workers[n % 2]!.send(UPDATE_PROFILE, { input }, { token })).status);
    }
    // 20 changes an hour.
    expect(statuses).toEqual([...Array(20).fill(200), 429, 429]);
  });

  test("report the metrics of both at each", async () => {
    const [one, other] = workers;
    await one.send(MY_SESSIONS, {});
    for (let n = 0; n < 2; n++) await other.send(MY_SESSIONS, {});
    for (const worker of workers) {
      const { text } = await worker.get("/metrics", METRICS);
      expect(text).toContain(
        'latchkey_graphql_requests_total{operation="mySessions",code="UNAUTHENTICATED"} 3\n',
      );
      expect(text).toContain('latchkey_graphql_request_duration_seconds_count{operation="mySessions"} 3\n');
      expect(text).toContain("latchkey_outbox_emails 0\n");
      expect(text).toContain("latchkey_password_queue_length 0\n");
      expect(text.match(/^# TYPE latchkey_outbox_emails /gm)).toHaveLength(1);
      expect(text).toMatch(/^latchkey_event_loop_delay_max_seconds [\d.e-]+$/m);
    }
  });
});

describe.each(DATABASES)("two workers on %s", (database) => {
  let app: App;
  let server: Server | undefined;
  beforeEach(async () => {
    app = await makeApp({ database, clock: systemClock });
    await app.createUser("alice");
  });
  afterEach(async () => {
    await server?.end("SIGKILL");
    await app.close();
  });

  async function start() {
    const started = await startWorkers(app.databaseUrl, ENV);
    server = started.server;
    return started;
  }

  test("drain the requests in flight at both when the program is stopped", async () => {
    const { server, workers } = await start();
    const held = await hold(app, ["update users set updated_at = updated_at"]);
    try {
      const credentials = { username: "alice", password: PASSWORD };
      const answers = workers.map((worker) => worker.send(LOGIN, credentials));
      await held.waited(2);
      server.program.child.kill("SIGTERM");
      await server.program.printed(/("msg":"stopping"[\s\S]*){3}\n/);
      await held.commit();
      expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200]);
    } finally {
      await held.commit();
    }
    const { code, stdout } = await server.program.ended;
    expect(code).toBe(0);
    const stopped = linesOf(stdout).filter(({ msg }) => msg === "stopped");
    expect(new Set(stopped.map(({ pid }) => pid))).toEqual(new Set(workers.map(({ pid }) => pid)));
  });

  test("one is killed under load: nothing acknowledged is lost, the other goes on and a new one is started", async () => {
    const { server, workers } = await start();
    const clients = await Promise.all(
      Array.from({ length: 4 }, async () => ({
        token: (await app.login("alice")).refreshToken,
        refreshes: 0,
      })),
    );
    let done = false;
    const running = clients.map(async (client) => {
      while (!done) {
        // A new connection each time, at any worker. A client that got no answer sends the same token again.
        const answer = await server
          .send(REFRESH, { refreshToken: client.token }, { headers: { connection: "close" }, timeout: 2_000 })
          .catch(() => undefined);
        if (answer === undefined) continue;
        if (!answer.data) throw new Error(answer.text);
        client.token = answer.data.refreshToken.refreshToken!;
        client.refreshes++;
      }
    });
    const load = Promise.all(running);
    const refreshed = async () => {
      const before = clients.map(({ refreshes }) => refreshes);
      const deadline = performance.now() + 20_000;
      while (!clients.every(({ refreshes }, n) => refreshes > before[n]! + 2)) {
        if (performance.now() > deadline) throw new Error("the clients got no answers");
        await Promise.race([setTimeout(10), load]);
      }
    };
    try {
      await refreshed();
      const [{ pid }, other] = workers;
      process.kill(pid, "SIGKILL");
      await refreshed();
      const pids = await untilListening(server.program, 3);
      await refreshed();
      const remaining = await connectToEach(server, [other.pid, pids[2]!]);
      for (const worker of remaining) expect((await worker.get("/readyz")).status).toBe(200);
    } finally {
      done = true;
      await load;
    }
    for (const { token } of clients)
      expect((await app.send(REFRESH, { refreshToken: token })).data?.refreshToken.user.username).toBe(
        "alice",
      );
    expect(linesOf(server.program.stdout()).map(({ msg }) => msg)).toContain(
      "a worker ended: starting another",
    );
    server.program.child.kill("SIGTERM");
    expect((await server.program.ended).code).toBe(0);
  }, 60_000);
});

describe("the primary process", () => {
  test.each(["0", "65", "two", "1.5"])("rejects WORKERS=%s before any worker is started", async (workers) => {
    const { code, stdout, stderr } = await startMain({
      DATABASE_URL: newSqliteFile().databaseUrl,
      WORKERS: workers,
    }).ended;
    expect({ code, stdout, stderr }).toEqual({
      code: 1,
      stdout: "",
      stderr: "latchkey: WORKERS must be auto, or a number from 1 to 64\n",
    });
  });

  test("exits with one message when a worker cannot start", async () => {
    const { file, databaseUrl } = newSqliteFile();
    writeFileSync(file, "not a database, and longer than the header of one: ".repeat(20));
    const { code, stderr } = await startMain({ DATABASE_URL: databaseUrl, WORKERS: "2" }).ended;
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: "latchkey: DATABASE_URL cannot be used: file is not a database\n",
    });
  });

  test("migrates once, and warns once", async () => {
    const server = await startServer(newSqliteFile().databaseUrl, { WORKERS: "3", SMTP_URI: "CANARY" });
    await untilListening(server.program, 3);
    server.program.child.kill("SIGTERM");
    const { code, stdout } = await server.program.ended;
    const times = (start: string) => linesOf(stdout).filter(({ msg }) => msg?.startsWith(start)).length;
    expect([code, times("migrated"), times("SMTP_URL is not set"), times("SMTP_URI is set")]).toEqual([
      0, 1, 1, 1,
    ]);
  });

  test("exits when no worker is left and no new one can start", async () => {
    const { file, databaseUrl } = newSqliteFile();
    const { program } = await startServer(databaseUrl, { WORKERS: "2" });
    const pids = await untilListening(program, 2);
    writeFileSync(file, "not a database, and longer than the header of one: ".repeat(200));
    for (const pid of pids) process.kill(pid, "SIGKILL");
    const { code, stderr } = await program.ended;
    expect(code).toBe(1);
    expect(stderr).toContain("latchkey: DATABASE_URL cannot be used: file is not a database\n");
  });

  test("a second signal stops the workers immediately, too", async () => {
    const server = await startServer(newSqliteFile().databaseUrl, {
      WORKERS: "2",
      SHUTDOWN_DELAY_SECONDS: "60",
    });
    const pids = await untilListening(server.program, 2);
    server.program.child.kill("SIGTERM");
    await server.program.printed(/("msg":"stopping"[\s\S]*){3}\n/);
    // A supervisor may also signal each process: for a worker that is the same stop.
    for (const pid of pids) process.kill(pid, "SIGTERM");
    await setTimeout(500);
    for (const pid of pids) process.kill(pid, "SIGTERM");
    expect((await fetch(`${server.address}/healthz`)).status).toBe(200);
    server.program.child.kill("SIGTERM");
    // It ends when the last process has closed the log.
    expect((await server.program.ended).code).toBe(1);
  });
});
