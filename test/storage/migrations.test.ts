import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { sql } from "kysely";
import { Migrator } from "kysely/migration";
import { ConfigError, loadConfig } from "../../src/config.js";
import { newOpaqueToken } from "../../src/crypto/opaque-tokens.js";
import { hashRefreshToken } from "../../src/crypto/refresh-tokens.js";
import { migrate, openDatabase } from "../../src/storage/database.js";
import { migrations } from "../../src/storage/migrations.js";
import { type App, makeApp } from "../support/app.js";
import { DATABASES, emptyDatabaseUrl } from "../support/databases.js";
import { REFRESH } from "../support/operations.js";

const FAR = Date.parse("2100-01-01T00:00:00Z");

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

  test("0012: the newest refresh token of each session still works", async () => {
    const databaseUrl = await emptyDatabaseUrl(database);
    const config = loadConfig({ DATABASE_URL: databaseUrl, SECRET_KEY: "x".repeat(32) });
    const old = openDatabase(config.database, { onIdleError: () => {} });
    const provider = { getMigrations: async () => migrations };
    await new Migrator({ db: old, provider }).migrateTo("0011_networks");
    const token = newOpaqueToken();
    const { tokenHash, familyHash } = hashRefreshToken(token);
    for (const statement of [
      `into users (id, username, email, email_verified_at, roles, created_at, updated_at)
        values ('u', 'alice', 'alice@example.com', 1, '["USER"]', 1, 1)`,
      `into sessions (id, user_id, created_at, last_used_at, expires_at, absolute_expires_at)
        values ('s', 'u', 1, 1, ${FAR}, ${FAR})`,
      `into refresh_tokens (token_hash, family_hash, session_id, created_at, used_at)
        values ('consumed', '${familyHash}', 's', 1, 1), ('${tokenHash}', '${familyHash}', 's', 1, null)`,
    ])
      await sql.raw(`insert ${statement}`).execute(old);
    await old.destroy();
    const upgraded = await makeApp({ databaseUrl });
    const { data } = await upgraded.send(REFRESH, { refreshToken: token });
    await upgraded.close();
    expect(data?.refreshToken.user.username).toBe("alice");
  });
});
