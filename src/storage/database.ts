import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { Kysely, sql } from "kysely";
import { DEFAULT_MIGRATION_TABLE, Migrator } from "kysely/migration";
import { ConfigError, type DatabaseConfig } from "../config.js";
import type { Metrics } from "../metrics.js";
import { migrations } from "./migrations.js";
import { postgresDialect } from "./postgres.js";
import { sqliteDialect } from "./sqlite.js";
import type { Tables } from "./tables.js";

/** The database, or a transaction on it. Inside a transaction use only the transaction's handle. */
export type Database = Kysely<Tables>;

/**
 * Opens the database with the first query. Creates a missing SQLite file. Does not migrate.
 * @param options.onIdleError receives the error of a PostgreSQL connection that broke while idle
 * @param options.metrics reports how the PostgreSQL connections are used
 * @param options.withoutTimeouts lets statements take as long as they need
 * @param options.preparedStatements whether PostgreSQL connections keep prepared statements
 */
export function openDatabase(
  config: DatabaseConfig,
  options: {
    onIdleError: (error: Error) => void;
    metrics?: Metrics;
    withoutTimeouts?: boolean;
    preparedStatements?: boolean;
  },
): Database {
  const dialect =
    config.kind === "sqlite" ? sqliteDialect(config.file) : postgresDialect(config.url, options);
  return new Kysely<Tables>({ dialect });
}

/**
 * Brings the schema up to date, over a connection of its own. Safe when several processes start together.
 * @throws ConfigError when a newer version has migrated the database: this one would not understand it
 */
export async function migrate(config: DatabaseConfig): Promise<{ applied: string[] }> {
  const db = openDatabase(config, { onIdleError: () => {}, withoutTimeouts: true });
  try {
    const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } });
    const unknown = (await appliedMigrations(db)).find((name) => !(name in migrations));
    if (unknown !== undefined) {
      throw new ConfigError(
        `The database is newer than this version of Latchkey, which does not know its migration ${unknown}: run a version that does, or restore a backup from before the upgrade`,
      );
    }
    const { error, results } = await migrator.migrateToLatest();
    if (error) throw error;
    return { applied: (results ?? []).map(({ migrationName }) => migrationName) };
  } finally {
    await db.destroy();
  }
}

/** The names of the migrations that a database has, in order; none when it is new. */
async function appliedMigrations(db: Database): Promise<string[]> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
  if (!tables.some(({ name }) => name === DEFAULT_MIGRATION_TABLE)) return [];
  const { rows } = await sql<{
    name: string;
  }>`select name from ${sql.table(DEFAULT_MIGRATION_TABLE)} order by name`.execute(db);
  return rows.map(({ name }) => name);
}

/** More than a quarter of a SQLite page, so that the index needs new pages; less than PostgreSQL's limit on index rows. */
const PROBE_LENGTH = 2_000;

/** How often a transaction runs before a deadlock is an error. */
const MAX_RUNS = 5;

/**
 * Runs `work` in a transaction. PostgreSQL aborts one of two transactions that wait for each other (40P01) or cannot be
 * serialized (40001). That one runs again, so `work` must change nothing but the database.
 */
export async function inTransaction<T>(
  db: Database,
  work: (transaction: Database) => Promise<T>,
): Promise<T> {
  for (let run = 1; ; run++) {
    try {
      return await db.transaction().execute(work);
    } catch (error) {
      if (!["40P01", "40001"].includes(codeOf(error)) || run === MAX_RUNS) throw error;
      await setTimeout(Math.random() * 20 * run);
    }
  }
}

/**
 * Checks that the database answers and takes writes. It writes rows large enough to need new pages, which a full disk
 * does not have, and deletes them in the same transaction.
 */
export async function probe(db: Database): Promise<void> {
  const names = Array.from({ length: 4 }, () => `probe ${randomUUID()} `.padEnd(PROBE_LENGTH, "."));
  await inTransaction(db, async (transaction) => {
    await transaction
      .insertInto("locks")
      .values(names.map((name) => ({ name })))
      .execute();
    await transaction.deleteFrom("locks").where("name", "in", names).execute();
  });
}

/** Checks that the database answers. */
export async function ping(db: Database): Promise<void> {
  await sql`select 1`.execute(db);
}

/** Whether a statement failed because a unique value is already in use. */
export function isUniqueViolation(error: unknown): boolean {
  return ["23505", "SQLITE_CONSTRAINT_UNIQUE"].includes(codeOf(error));
}

/** Codes for an unavailable database: of the network, of PostgreSQL, of SQLite. */
const UNAVAILABLE_CODES = [
  /^E(CONNREFUSED|CONNRESET|CONNABORTED|PIPE|TIMEDOUT|HOSTUNREACH|NETUNREACH|NOTFOUND|AI_AGAIN)$/,
  // Connection, rejected login, unknown database, resources (such as a full disk), cancelled by a timeout or shutdown, I/O.
  /^(08...|28...|3D000|53...|57...|58...)$/,
  // A read-only server, and timeouts of idle transactions.
  /^(25006|25P0[34])$/,
  /^SQLITE_(BUSY|CANTOPEN|FULL|IOERR|PROTOCOL|READONLY)/,
];
/** Errors of pg without a code. "was closed": a transaction rolled back after its connection was given up. */
const UNAVAILABLE_MESSAGES =
  /^(Connection terminated|timeout (expired|exceeded when trying to connect)$|Query read timeout$|Client (was closed|has encountered a connection error) and is not queryable$)/;

/** Whether a statement failed because the database cannot be reached or cannot work at the moment. */
export function isUnavailable(error: unknown): boolean {
  const code = codeOf(error);
  return (
    UNAVAILABLE_CODES.some((pattern) => pattern.test(code)) ||
    (error instanceof Error && UNAVAILABLE_MESSAGES.test(error.message))
  );
}

/** The database's error code: an SQLSTATE, or the name of a SQLite result code. */
function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | null)?.code);
}
