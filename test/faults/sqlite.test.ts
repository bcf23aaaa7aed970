import { writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import BetterSqlite3 from "better-sqlite3";
import { sql } from "kysely";
import { type Answer, type App, makeApp, PASSWORD } from "../support/app.js";
import { CREATE_ITEM, LOGIN, ME, MY_ITEMS, REFRESH } from "../support/operations.js";

const BUSY_TIMEOUT = 5_000;

describe("when SQLite fails (row 66)", () => {
  let app: App;
  let file: string;
  beforeEach(async () => {
    app = await makeApp();
    file = app.databaseUrl.replace("sqlite:", "");
    await app.createUser("alice");
  });
  afterEach(() => app.close());

  const codeOf = ({ errors }: Answer<unknown>) => errors?.[0]?.extensions?.["code"];
  const login = () => app.send(LOGIN, { username: "alice", password: PASSWORD });

  test("locked by another process: writes fail after five seconds however many they are, reads go on", async () => {
    const { accessToken: token, refreshToken } = await app.login("alice");
    const other = new BetterSqlite3(file);
    other.exec("begin exclusive");
    const start = performance.now();
    const writes = Promise.all([
      ...Array.from({ length: 5 }, login),
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
    expect(new Set((await answered).map(codeOf))).toEqual(new Set(["INTERNAL_SERVER_ERROR"]));
    expect(performance.now() - start).toBeLessThan(2 * BUSY_TIMEOUT);
    expect(longest).toBeLessThan(BUSY_TIMEOUT / 2);
    expect(reads).toBeGreaterThan(10);
    other.exec("commit");
    other.close();
    expect((await login()).errors).toBeUndefined();
    expect((await app.send(REFRESH, { refreshToken })).errors).toBeUndefined();
    expect((await app.send(MY_ITEMS, {}, { token })).data).toEqual({ myItems: [] });
  }, 30_000);

  test("a lock that is let go in time costs nobody more than the wait", async () => {
    const other = new BetterSqlite3(file);
    other.exec("begin exclusive");
    const logins = Promise.all(Array.from({ length: 5 }, login));
    await new Promise((resolve) => setTimeout(resolve, 500));
    other.exec("commit");
    other.close();
    expect((await logins).map(codeOf)).toEqual(Array(5).fill(undefined));
  });

  test("full: what does not fit fails whole, and works when there is room", async () => {
    const { accessToken: token } = await app.login("alice");
    const limit = (pages: number) => sql.raw(`pragma max_page_count = ${pages}`).execute(app.latchkey.db);
    await limit(1);
    const input = { title: "mine", description: "x".repeat(5_000) };
    let items = 0;
    let answer = await app.send(CREATE_ITEM, { input }, { token });
    for (; answer.errors === undefined; items++) answer = await app.send(CREATE_ITEM, { input }, { token });
    expect([answer.status, codeOf(answer)]).toEqual([500, "INTERNAL_SERVER_ERROR"]);
    expect(answer.text).not.toMatch(/full|sqlite/i);
    expect((await app.send(MY_ITEMS, {}, { token })).data!.myItems).toHaveLength(items);
    await limit(1_000_000);
    expect((await app.send(CREATE_ITEM, { input }, { token })).errors).toBeUndefined();
  });

  test("read-only: nobody is let in, who is reads on", async () => {
    const { accessToken: token } = await app.login("alice");
    const readOnly = (on: boolean) => sql.raw(`pragma query_only = ${on}`).execute(app.latchkey.db);
    await readOnly(true);
    expect(codeOf(await login())).toBe("INTERNAL_SERVER_ERROR");
    expect((await app.send(ME, {}, { token })).status).toBe(200);
    await readOnly(false);
    expect((await login()).errors).toBeUndefined();
  });

  test("overwritten: an error for everybody, and the process lives", async () => {
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
