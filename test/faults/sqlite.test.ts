import { statSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import BetterSqlite3 from "better-sqlite3";
import { sql } from "kysely";
import { codeOf } from "../support/answers.js";
import { type Answer, type App, makeApp, PASSWORD } from "../support/app.js";
import { CREATE_ITEM, LOGIN, ME, MY_ITEMS, REFRESH } from "../support/operations.js";

const BUSY_TIMEOUT = 5_000;

describe("when SQLite fails (row 66)", () => {
  let app: App;
  let file: string;
  /** The connection of another process. */
  let locked: BetterSqlite3.Database | undefined;
  beforeEach(async () => {
    app = await makeApp();
    file = app.databaseUrl.replace("sqlite:", "");
    await app.createUser("alice");
  });
  afterEach(async () => {
    locked?.close();
    locked = undefined;
    await app.close();
  });

  test("only its owner can read its file", () => {
    for (const suffix of ["", "-wal", "-shm"]) {
      expect([suffix, (statSync(`${file}${suffix}`).mode & 0o777).toString(8)]).toEqual([suffix, "600"]);
    }
  });

  /** The error while the database is unavailable. */
  const AWAY = {
    message: "The service is unavailable. Try again in a few seconds.",
    extensions: { code: "SERVICE_UNAVAILABLE", retryAfter: 5 },
  };
  const READY = { status: 200, text: '{"status":"ok"}' };
  const NOT_READY = {
    status: 503,
    text: '{"status":"unavailable","reason":"the database cannot be read and written"}',
  };
  /** Waits for the next probe: probes run once a second. */
  const nextProbe = () => sleep(1_100);
  function expectAway({ status, headers, errors }: Answer<unknown>): void {
    expect([status, headers.get("retry-after"), errors]).toMatchObject([503, "5", [AWAY]]);
  }
  const problems = () =>
    app.seen
      .filter((line) => line.startsWith('{"level":'))
      .map((line) => JSON.parse(line))
      .filter(({ level, msg }) => level > 30 || /database/.test(msg));
  async function backAgain(): Promise<void> {
    const deadline = performance.now() + 10_000;
    while (!problems().some(({ msg }) => msg === "the database is back")) {
      if (performance.now() > deadline) throw new Error("the log does not say that the database is back");
      await sleep(50);
    }
    expect(problems().map(({ level, msg }) => [level, msg])).toEqual([
      [50, "the database is away"],
      [30, "the database is back"],
    ]);
  }

  function lock(): BetterSqlite3.Database {
    locked = new BetterSqlite3(file);
    locked.exec("begin exclusive");
    return locked;
  }
  const login = () => app.send(LOGIN, { username: "alice", password: PASSWORD });

  test("locked by another process: writes fail after five seconds, reads go on", async () => {
    const { accessToken: token, refreshToken } = await app.login("alice");
    const other = lock();
    const start = performance.now();
    const writes = Promise.all([
      // As many as may check passwords at the same time: more would wait in the queue first.
      ...Array.from({ length: 2 }, login),
      ...Array.from({ length: 5 }, () => app.send(REFRESH, { refreshToken })),
      ...Array.from({ length: 5 }, () => app.send(CREATE_ITEM, { input: { title: "mine" } }, { token })),
    ]);
    let done = false;
    const answered = writes.finally(() => {
      done = true;
    });
    let longest = 0;
    let reads = 0;
    while (!done) {
      const asked = performance.now();
      expect((await app.send(ME, {}, { token })).errors).toBeUndefined();
      longest = Math.max(longest, performance.now() - asked);
      reads++;
    }
    for (const answer of await answered) expectAway(answer);
    expect(performance.now() - start).toBeLessThan(2 * BUSY_TIMEOUT);
    expect(longest).toBeLessThan(BUSY_TIMEOUT / 2);
    expect(reads).toBeGreaterThan(10);
    other.exec("commit");
    other.close();
    expect((await login()).errors).toBeUndefined();
    expect((await app.send(REFRESH, { refreshToken })).errors).toBeUndefined();
    expect((await app.send(MY_ITEMS, {}, { token })).data).toEqual({ myItems: [] });
    await backAgain();
  }, 30_000);

  test("a lock that is released in time only delays requests", async () => {
    const other = lock();
    const logins = Promise.all(Array.from({ length: 5 }, login));
    await sleep(500);
    other.exec("commit");
    other.close();
    expect((await logins).map(codeOf)).toEqual(Array(5).fill(undefined));
  });

  test("full: a write that does not fit fails completely, and works once there is space", async () => {
    const { accessToken: token } = await app.login("alice");
    const limit = (pages: number) => sql.raw(`pragma max_page_count = ${pages}`).execute(app.latchkey.db);
    await limit(1);
    const input = { title: "mine", description: "x".repeat(5_000) };
    let items = 0;
    let answer = await app.send(CREATE_ITEM, { input }, { token });
    for (; answer.errors === undefined; items++) answer = await app.send(CREATE_ITEM, { input }, { token });
    for (let n = 0; n < 5; n++) expectAway(await app.send(CREATE_ITEM, { input }, { token }));
    expect(answer.text).not.toMatch(/full|sqlite/i);
    expect(await app.request("/readyz")).toMatchObject(NOT_READY);
    expect(await app.request("/healthz")).toMatchObject(READY);
    expect((await app.send(MY_ITEMS, {}, { token })).data!.myItems).toHaveLength(items);
    await limit(1_000_000);
    expect((await app.send(CREATE_ITEM, { input }, { token })).errors).toBeUndefined();
    await nextProbe();
    expect(await app.request("/readyz")).toMatchObject(READY);
    await backAgain();
  });

  test("probes leave nothing behind, and however many come, one a second is run", async () => {
    const { db } = app.latchkey;
    const state = async () => [
      (await sql`select name from locks`.execute(db)).rows,
      (await sql`pragma page_count`.execute(db)).rows,
      (await sql`pragma freelist_count`.execute(db)).rows,
    ];
    expect(await app.request("/readyz")).toMatchObject(READY);
    const before = await state();
    const changes = async () =>
      (await sql<{ n: number }>`select total_changes() as n`.execute(db)).rows[0]!.n;
    const written = await changes();
    await nextProbe();
    const start = performance.now();
    const answers = await Promise.all(Array.from({ length: 50 }, () => app.request("/readyz")));
    for (const answer of answers) expect(answer).toMatchObject(READY);
    const probes = Math.ceil((performance.now() - start) / 1_000);
    // Each inserts four rows and deletes them.
    expect(await changes()).toBeGreaterThanOrEqual(written + 8);
    expect(await changes()).toBeLessThanOrEqual(written + 8 * (probes + 1));
    expect(await state()).toEqual(before);
  });

  test("read-only: nobody can sign in, and signed-in users can still read", async () => {
    const { accessToken: token } = await app.login("alice");
    const readOnly = (on: boolean) => sql.raw(`pragma query_only = ${on}`).execute(app.latchkey.db);
    expect(await app.request("/readyz")).toMatchObject(READY);
    await readOnly(true);
    for (let n = 0; n < 5; n++) expectAway(await login());
    expect((await app.send(ME, {}, { token })).status).toBe(200);
    await nextProbe();
    expect(await app.request("/readyz")).toMatchObject(NOT_READY);
    expect(await app.request("/healthz")).toMatchObject(READY);
    // OAuth clients receive an error of RFC 6749, 4.1.2.1.
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const body = `grant_type=password&username=alice&password=${PASSWORD}`;
    const oauth = await app.request("/token", { method: "POST", headers, body });
    expect([oauth.status, oauth.headers.get("retry-after"), JSON.parse(oauth.text)]).toEqual([
      503,
      "5",
      { error: "temporarily_unavailable", error_description: AWAY.message },
    ]);
    await readOnly(false);
    expect((await login()).errors).toBeUndefined();
    await nextProbe();
    expect(await app.request("/readyz")).toMatchObject(READY);
    await backAgain();
  });

  test("overwritten: every request fails, and the process survives", async () => {
    const { accessToken: token } = await app.login("alice");
    await sql.raw("pragma wal_checkpoint(truncate)").execute(app.latchkey.db);
    writeFileSync(file, "no database".repeat(100_000));
    writeFileSync(`${file}-wal`, "nor its log".repeat(100_000));
    await sql
      .raw("pragma shrink_memory")
      .execute(app.latchkey.db)
      .catch(() => {});
    for (let n = 0; n < 3; n++) {
      expect(codeOf(await login())).toBe("INTERNAL_SERVER_ERROR");
      expect(codeOf(await app.send(ME, {}, { token }))).toBe("INTERNAL_SERVER_ERROR");
    }
    expect((await app.request("/healthz")).status).toBe(200);
  });
});
