import { chmodSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout } from "node:timers/promises";
import BetterSqlite3 from "better-sqlite3";
import {
  CompiledQuery,
  type DatabaseConnection,
  Kysely,
  PostgresDialect,
  type QueryResult,
  SqliteAdapter,
  SqliteDialect,
  type SqliteDialectConfig,
  SqliteDriver,
  sql,
} from "kysely";
import { Migrator } from "kysely/migration";
import pg from "pg";
import type { DatabaseConfig } from "../config.js";
import type { Metrics } from "../metrics.js";
import { migrations } from "./migrations.js";
import type { Tables } from "./tables.js";

/** How long to wait for another connection that writes to the same SQLite file, in milliseconds. */
const BUSY_TIMEOUT = 5_000;

/** The database, or a transaction on it. Inside a transaction use only the transaction's handle. */
export type Database = Kysely<Tables>;

/**
 * The database, opened by the first query; a SQLite file is created when it is missing. Does not migrate.
 * @param deps.onIdleError told of a PostgreSQL connection that broke while nobody used it
 */
export function openDatabase(
  config: DatabaseConfig,
  { onIdleError, metrics }: { onIdleError: (error: Error) => void; metrics: Metrics },
): Database {
  if (config.kind === "sqlite") {
    return new Kysely<Tables>({
      dialect: new ImmediateSqliteDialect({ database: async () => openSqlite(config.file) }),
    });
  }
  const pool = new pg.Pool({
    connectionString: config.url,
    application_name: "latchkey",
    connectionTimeoutMillis: 5_000,
    types: { getTypeParser: postgresTypeParser },
  });
  pool.on("error", onIdleError);
  metrics.watchDatabasePool(() => ({
    idle: pool.idleCount,
    active: pool.totalCount - pool.idleCount,
    waiting: pool.waitingCount,
  }));
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
}

/** Brings the schema up to date. Safe when several processes start at once. */
export async function migrate(db: Database): Promise<{ applied: string[] }> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } });
  const { error, results } = await migrator.migrateToLatest();
  if (error) throw error;
  return { applied: (results ?? []).map(({ migrationName }) => migrationName) };
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

async function openSqlite(file: string): Promise<BetterSqlite3.Database> {
  // Password hashes live here: they are their owner's alone to read.
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  // SQLite's own waiting would block the whole process, the holder of the lock with it.
  const sqlite = new BetterSqlite3(file, { timeout: 0 });
  if (process.platform !== "win32") chmodSync(file, 0o600);
  await patiently(() => sqlite.pragma("journal_mode = WAL"));
  sqlite.pragma("synchronous = FULL");
  sqlite.pragma("foreign_keys = ON");
  // SQLite's own knows no letters but ASCII's.
  sqlite.function("lower", { deterministic: true }, (text) => (text as string | null)?.toLowerCase());
  return sqlite;
}

/**
 * SQLite's transactions start as readers, and one that writes after another process wrote fails at once
 * whatever the busy timeout. Starting as the writer waits instead, and lets migrations be a transaction.
 */
class ImmediateSqliteDialect extends SqliteDialect {
  readonly #config: SqliteDialectConfig;

  constructor(config: SqliteDialectConfig) {
    super(config);
    this.#config = config;
  }

  override createDriver() {
    return new ImmediateSqliteDriver(this.#config);
  }

  override createAdapter() {
    return new TransactionalDdlSqliteAdapter();
  }
}

class ImmediateSqliteDriver extends SqliteDriver {
  override async acquireConnection(): Promise<DatabaseConnection> {
    return new PatientConnection(await super.acquireConnection());
  }

  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw("begin immediate"));
  }
}

class PatientConnection implements DatabaseConnection {
  readonly #connection: DatabaseConnection;

  constructor(connection: DatabaseConnection) {
    this.#connection = connection;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    return patiently(() => this.#connection.executeQuery<R>(query));
  }

  streamQuery<R>(query: CompiledQuery, chunkSize: number): AsyncIterableIterator<QueryResult<R>> {
    return this.#connection.streamQuery(query, chunkSize);
  }
}

/** Tries again while another connection writes, without blocking what else this process does meanwhile. */
async function patiently<T>(work: () => T | Promise<T>): Promise<T> {
  const deadline = performance.now() + BUSY_TIMEOUT;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const { code = "" } = error as { code?: string };
      if (!code.startsWith("SQLITE_BUSY") || performance.now() > deadline) throw error;
      await setTimeout(2 + Math.random() * 10);
    }
  }
}

class TransactionalDdlSqliteAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

/** bigint columns hold epoch milliseconds, which a number holds exactly; pg would give strings. */
function postgresTypeParser(oid: number, format?: "text" | "binary") {
  if (oid === pg.types.builtins.INT8 && format !== "binary") return Number;
  return pg.types.getTypeParser(oid, format as "text");
}
