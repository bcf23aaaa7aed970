import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { ConfigError } from "../../src/config.js";
import { migrate } from "../../src/storage/database.js";
import { type App, makeApp } from "../support/app.js";
import { DATABASES } from "../support/databases.js";

describe.each(DATABASES)("migrations on %s", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database });
  });
  afterAll(() => app.close());

  test("a database that a newer version has migrated is refused and not changed", async () => {
    const { config, latchkey } = app;
    expect(await migrate(config.database)).toEqual({ applied: [] });
    const applied = latchkey.db.withTables<{ kysely_migration: { name: string; timestamp: string } }>();
    await applied
      .insertInto("kysely_migration")
      .values({ name: "9999_future", timestamp: "2030-01-01" })
      .execute();
    const before = await applied.selectFrom("kysely_migration").selectAll().execute();
    await expect(migrate(config.database)).rejects.toThrow(
      new ConfigError(
        "The database is newer than this version of Latchkey, which does not know its migration 9999_future: run a version that does, or restore a backup from before the upgrade",
      ),
    );
    expect(await applied.selectFrom("kysely_migration").selectAll().execute()).toEqual(before);
  });
});
