import { Kysely, sql } from "kysely";
import { Migrator } from "kysely/migration";
import type { DatabaseConfig } from "../config.js";
import type { Metrics } from "../metrics.js";
import { migrations } from "./migrations.js";
import { postgresDialect } from "./postgres.js";
import { sqliteDialect } from "./sqlite.js";
import type { Tables } from "./tables.js";

/** The database, or a transaction on it. Inside a transaction use only the transaction's handle. */
export type Database = Kysely<Tables>;

/**
 * The database, opened by the first query; a SQLite file is created when it is missing. Does not migrate.
 * @param options.onIdleError told of a PostgreSQL connection that broke while nobody used it
 * @param options.metrics told how the connections to PostgreSQL are used
 * @param options.unhurried statements may take as long as they need
 */
export function openDatabase(
  config: DatabaseConfig,
  options: { onIdleError: (error: Error) => void; metrics?: Metrics; unhurried?: boolean },
): Database {
  const dialect =
    config.kind === "sqlite" ? sqliteDialect(config.file) : postgresDialect(config.url, options);
  return new Kysely<Tables>({ dialect });
}

/** Brings the schema up to date, over a connection of its own. Safe when several processes start at once. */
export async function migrate(config: DatabaseConfig): Promise<{ applied: string[] }> {
  const db = openDatabase(config, { onIdleError: () => {}, unhurried: true });
  try {
    const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } });
    const { error, results } = await migrator.migrateToLatest();
    if (error) throw error;
    return { applied: (results ?? []).map(({ migrationName }) => migrationName) };
  } finally {
    await db.destroy();
  }
}

/** Resolves when the database answers. */
export async function ping(db: Database): Promise<void> {
  await sql`select 1`.execute(db);
}

/** Whether a statement failed because a value that must be unique is taken. */
export function isUniqueViolation(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === "23505" || code === "SQLITE_CONSTRAINT_UNIQUE";
}
