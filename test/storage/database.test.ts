import { describe, expect, test } from "@jest/globals";
import { LatchkeyError } from "../../src/errors.js";
import { isUnavailable, migrate } from "../../src/storage/database.js";
import { makeApp } from "../support/app.js";
import { DATABASES } from "../support/databases.js";

describe.each(DATABASES)("the database on %s", (database) => {
  test("is migrated once, and a second migration does nothing", async () => {
    const app = await makeApp({ database });
    expect(await migrate(app.config.database)).toEqual({ applied: [] });
    await app.close();
  });

  test("a transaction that throws leaves nothing behind", async () => {
    const app = await makeApp({ database });
    const { operator, db } = app.latchkey;
    await app.createUser("alice");
    await expect(
      operator.create(
        { username: "bob", email: "alice@example.com", fullName: null },
        "a long enough password",
      ),
    ).rejects.toMatchObject({
      code: "CONFLICT",
      message: "This email is already in use.",
      details: { field: "email" },
    });
    expect(await db.selectFrom("users").select("username").execute()).toEqual([{ username: "alice" }]);
    await app.close();
  });

  test("writers on several connections wait for each other", async () => {
    const first = await makeApp({ database });
    const second = await makeApp({ databaseUrl: first.databaseUrl });
    const names = Array.from({ length: 20 }, (_, n) => `user-${n}`);
    await Promise.all(names.map((name, n) => (n % 2 ? first : second).createUser(name)));
    const users = await first.latchkey.db.selectFrom("users").select("username").execute();
    expect(users.map(({ username }) => username).sort()).toEqual([...names].sort());
    await Promise.all([first.close(), second.close()]);
  });

  test("times are read back as numbers", async () => {
    const app = await makeApp({ database });
    const { id } = await app.createUser("alice");
    const row = await app.latchkey.db
      .selectFrom("users")
      .selectAll()
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    expect(row.created_at).toBe(app.clock.now());
    await app.close();
  });
});

// Errors that the tests of faults cannot cause. The codes are from appendix A of PostgreSQL's manual.
describe("an error that means that the database is unavailable", () => {
  const withCode = (code: string) => Object.assign(new Error("secret detail"), { code });

  test.each([
    ...["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "EHOSTUNREACH", "ENOTFOUND", "EAI_AGAIN"],
    ...["08006", "28P01", "3D000", "53100", "53300", "57014", "57P01", "57P02", "57P03", "58030", "25006"],
    ...["SQLITE_BUSY", "SQLITE_BUSY_SNAPSHOT", "SQLITE_CANTOPEN", "SQLITE_IOERR_WRITE", "SQLITE_FULL"],
    ...["SQLITE_READONLY_DBMOVED", "SQLITE_READONLY"],
  ])("code %s is recognized", (code) => {
    expect(isUnavailable(withCode(code))).toBe(true);
  });

  test.each([
    "Connection terminated unexpectedly",
    "Connection terminated due to connection timeout",
    "timeout exceeded when trying to connect",
    "Query read timeout",
    "Client has encountered a connection error and is not queryable",
  ])("the message %j of pg is recognized", (message) => {
    expect(isUnavailable(new Error(message))).toBe(true);
  });

  test.each([
    withCode("23505"),
    withCode("40P01"),
    withCode("42P01"),
    withCode("22P02"),
    withCode("SQLITE_CONSTRAINT_UNIQUE"),
    withCode("SQLITE_CORRUPT"),
    withCode("SQLITE_NOTADB"),
    withCode("ERR_INVALID_ARG_TYPE"),
    withCode("ENOENT"),
    new Error("something else: Query read timeout"),
    new LatchkeyError("OVERLOADED", "busy", { retryAfter: 1 }),
    "ECONNREFUSED",
    undefined,
    null,
  ])("%p is another error", (error) => {
    expect(isUnavailable(error)).toBe(false);
  });
});
