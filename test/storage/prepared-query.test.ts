import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { sql } from "kysely";
import { PreparedQuery } from "../../src/storage/prepared-query.js";
import { type App, makeApp } from "../support/app.js";
import { DATABASES } from "../support/databases.js";
import { ME, REFRESH } from "../support/operations.js";
import { makeUser } from "../support/users.js";

/** The names of the statements that the app's idle connection keeps. */
async function keptStatements({ latchkey: { db } }: App): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`select name from pg_prepared_statements`.execute(db);
  return rows.map(({ name }) => name);
}

describe.each(DATABASES)("prepared queries on %s", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database });
  });
  afterAll(() => app.close());

  test("answer each caller with their own values", async () => {
    const users = [await makeUser(app), await makeUser(app)];
    for (const { token, username } of [...users, ...users])
      expect((await app.send(ME, {}, { token })).data?.me.username).toBe(username);
  });

  test("go on after a migration of a newer version added columns", async () => {
    const { token, username, refreshToken } = await makeUser(app);
    expect((await app.send(ME, {}, { token })).status).toBe(200);
    for (const table of ["users", "sessions"] as const)
      await app.latchkey.db.schema.alterTable(table).addColumn("later", "integer").execute();
    expect((await app.send(ME, {}, { token })).data?.me.username).toBe(username);
    const { data } = await app.send(REFRESH, { refreshToken });
    expect(data?.refreshToken.user.username).toBe(username);
  });

  test("cannot compute with their arguments", async () => {
    const query = new PreparedQuery((db, { now }: { now: number }) =>
      db
        .selectFrom("sessions")
        .select("id")
        .where("expires_at", ">", now - 1),
    );
    await expect(query.all(app.latchkey.db, { now: 1 })).rejects.toThrow(
      "a prepared query cannot compute with its argument now",
    );
  });
});

test("PostgreSQL connections keep the statements, unless PREPARED_STATEMENTS is false", async () => {
  for (const [setting, kept] of [
    ["true", expect.stringMatching(/^latchkey_[0-9a-f]{16}$/)],
    ["false", undefined],
  ] as const) {
    const app = await makeApp({ database: "postgres", env: { PREPARED_STATEMENTS: setting } });
    const { token } = await makeUser(app);
    for (let n = 0; n < 3; n++) expect((await app.send(ME, {}, { token })).status).toBe(200);
    expect((await keptStatements(app))[0]).toEqual(kept);
    await app.close();
  }
});
