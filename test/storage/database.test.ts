import { describe, expect, test } from "@jest/globals";
import { migrate } from "../../src/storage/database.js";
import { makeApp } from "../support/app.js";
import { DATABASES } from "../support/databases.js";

describe.each(DATABASES)("the database on %s", (database) => {
  test("is migrated once, whoever comes second", async () => {
    const app = await makeApp({ database });
    expect(await migrate(app.config.database)).toEqual({ applied: [] });
    await app.close();
  });

  test("a transaction that throws leaves nothing behind", async () => {
    const app = await makeApp({ database });
    const { accounts, db } = app.latchkey;
    await app.createUser("alice");
    await expect(
      accounts.create(
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
