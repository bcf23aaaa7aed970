import { once } from "node:events";
import { readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { resolve } from "node:path";
import { expect, test } from "@jest/globals";
import BetterSqlite3 from "better-sqlite3";
import pg from "pg";
import { ConfigError } from "../src/config.js";
import { LatchkeyError, WrongSecretKeyError } from "../src/errors.js";
import { blame, lastWords } from "../src/exit.js";

const postgres = process.env["TEST_POSTGRES_URL"]!;

async function query(url: string, text = "select 1"): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await client.query(text);
  } finally {
    await client.end();
  }
}

async function failure(work: () => unknown): Promise<Error> {
  try {
    await work();
  } catch (error) {
    return error as Error;
  }
  throw new Error("it did not fail");
}

const sqlite = (file: string) => new BetterSqlite3(file).pragma("journal_mode = WAL");

test.each<[string, () => unknown, RegExp]>([
  ["a wrong setting", () => Promise.reject(new ConfigError("PORT must be …")), /^PORT must be …$/],
  ["a refusal", () => Promise.reject(new LatchkeyError("NOT_FOUND", "No such.")), /^No such\.$/],
  [
    "another key",
    () => Promise.reject(new WrongSecretKeyError("SECRET_KEY is not …")),
    /^SECRET_KEY is not …$/,
  ],
  [
    "a file that is not there",
    () => stat("/nonesuch"),
    /^ENOENT: no such file or directory, stat '\/nonesuch'$/,
  ],
  ["a directory in place of a file", () => readFileSync("/"), /^EISDIR: /],
  ["an address of another machine", () => listenOn("192.0.2.1"), /^listen EADDRNOTAVAIL: /],
  [
    "a host that nobody knows",
    () => query("postgres://nonesuch.invalid/db"),
    /^getaddrinfo \w+ nonesuch\.invalid$/,
  ],
  ["a database server that does not run", () => query("postgres://127.0.0.1:1/db"), /^connect ECONNREFUSED/],
  ["several addresses without a server", connectToNone, /^connect ECONNREFUSED .*; connect ECONNREFUSED /],
  [
    "a database that does not exist",
    () => query(`${postgres}/nonesuch`),
    /^database "nonesuch" does not exist$/,
  ],
  [
    "a table without permission to read it",
    () => query(`${postgres}/postgres`, "set role pg_monitor; select * from pg_authid"),
    /^permission denied for table pg_authid$/,
  ],
  ["a SQLite file that cannot be opened", () => sqlite(resolve("src")), /^unable to open database file$/],
  ["a file that is not a database", () => sqlite(resolve("package.json")), /^file is not a database$/],
])("%s is reported in one line", async (_what, work, message) => {
  expect(lastWords(await failure(work))).toMatch(message);
});

test.each<[string, () => unknown]>([
  ["a bug", () => (undefined as unknown as Date).getTime()],
  ["a wrong argument", () => Buffer.from(1 as never)],
  ["text that is not a URL", () => new URL("none")],
  ["wrong SQL on PostgreSQL", () => query(`${postgres}/postgres`, "select * from nonesuch")],
  ["a value that PostgreSQL cannot compute", () => query(`${postgres}/postgres`, "select 1/0")],
  ["wrong SQL on SQLite", () => new BetterSqlite3(":memory:").exec("select * from nonesuch")],
  ["anything else with a code", () => Promise.reject(Object.assign(new Error("no"), { code: "E" }))],
])("%s is reported with a stack trace", async (_what, work) => {
  const error = await failure(work);
  expect(lastWords(error)).toBe(error.stack);
  expect(error.stack).toMatch(/\n {4}at /);
});

test("a failure to use the value of a variable names the variable, unless the failure is a bug", async () => {
  const blamed = async (work: () => unknown) =>
    lastWords(await failure(() => blame("DATABASE_URL", Promise.resolve().then(work))));
  expect(await blamed(() => query("postgres://127.0.0.1:1/db"))).toMatch(
    /^DATABASE_URL cannot be used: connect ECONNREFUSED 127\.0\.0\.1:1$/,
  );
  // The error that pg throws when nobody answers.
  expect(await blamed(() => Promise.reject(new Error("timeout expired")))).toBe(
    "DATABASE_URL cannot be used: timeout expired",
  );
  expect(await blamed(() => Buffer.from(1 as never))).toMatch(/^TypeError.*\n {4}at /);
  expect(await blamed(() => query(`${postgres}/postgres`, "select nonesuch"))).toMatch(/^error: .*\n {4}at /);
});

test("a thrown value that is not an error is reported as it is", () => {
  expect(lastWords("just so")).toBe("just so");
});

async function listenOn(host: string): Promise<void> {
  await new Promise((done, fail) =>
    createServer()
      .once("error", fail)
      .listen(0, host, () => done(undefined)),
  );
}

/** Fails like Node does when a name has several addresses. */
async function connectToNone(): Promise<void> {
  const addresses = ["127.0.0.1", "127.0.0.2"].map((address) => ({ address, family: 4 }));
  const socket = connect({
    host: "nonesuch",
    port: 1,
    lookup: (_name, _options, done) => done(null, addresses),
  });
  await once(socket, "connect");
}
