import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import BetterSqlite3 from "better-sqlite3";
import { sql } from "kysely";
import { type Database, inTransaction } from "../../src/storage/database.js";
import { type App, makeApp } from "../support/app.js";

/** Transactions on SQLite that begin together are committed together. */
let app: App;
let db: Database;
/** What another process sees. */
let other: BetterSqlite3.Database;
beforeAll(async () => {
  app = await makeApp();
  ({ db } = app.latchkey);
  other = new BetterSqlite3(app.databaseUrl.replace("sqlite:", ""));
});
beforeEach(async () => {
  await db.deleteFrom("locks").execute();
});
afterAll(async () => {
  other.close();
  await app.close();
});

const insert = (on: Database, name: string) => on.insertInto("locks").values({ name }).execute();
const committed = () => other.prepare("select name from locks order by name").pluck().all();
const outcomesOf = async (work: Promise<unknown>[]) =>
  (await Promise.allSettled(work)).map(({ status }) => status);

test("one that fails takes none of the others with it", async () => {
  const failed = inTransaction(db, async (transaction) => {
    await insert(transaction, "2");
    throw new Error("no");
  });
  const work = [inTransaction(db, (one) => insert(one, "1")), failed, insert(db, "1"), insert(db, "3")];
  expect(await outcomesOf(work)).toEqual(["fulfilled", "rejected", "rejected", "fulfilled"]);
  expect(committed()).toEqual(["1", "3"]);
});

test("each is on the disk when it returns, and is not read before", async () => {
  const written = insert(db, "1").then(committed);
  const read = db
    .selectFrom("locks")
    .select("name")
    .execute()
    .then((rows) => [rows.map(({ name }) => name), committed()]);
  const joined = insert(db, "2").then(committed);
  const [names, onDisk] = await read;
  expect(names).toEqual(onDisk);
  expect(await Promise.all([written, joined])).toEqual([
    ["1", "2"],
    ["1", "2"],
  ]);
});

test("when the commit fails all of them fail, and the next one works", async () => {
  const orphan = inTransaction(db, async (transaction) => {
    // Checks foreign keys with the commit only.
    await sql`pragma defer_foreign_keys = on`.execute(transaction);
    const token = { token_hash: "hash", user_id: "nobody", purpose: "none", email: "", expires_at: 0 };
    await transaction.insertInto("one_time_tokens").values(token).execute();
  });
  const work = [insert(db, "1"), inTransaction(db, (one) => insert(one, "2")), orphan];
  expect(await outcomesOf(work)).toEqual(["rejected", "rejected", "rejected"]);
  expect(committed()).toEqual([]);
  await insert(db, "3");
  expect(committed()).toEqual(["3"]);
});

test("a transaction that takes long delays the others, and what waits goes on after it", async () => {
  const slow = inTransaction(db, async (transaction) => {
    await insert(transaction, "1");
    await new Promise((resolve) => setTimeout(resolve, 50));
    await insert(transaction, "2");
  });
  const rows = db.selectFrom("locks").select("name").orderBy("name").execute();
  await Promise.all([slow, insert(db, "3"), rows]);
  expect((await rows).map(({ name }) => name)).toEqual(expect.arrayContaining(["1", "2"]));
  expect(committed()).toEqual(["1", "2", "3"]);
});
