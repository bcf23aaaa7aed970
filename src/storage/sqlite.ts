import { chmodSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout } from "node:timers/promises";
import BetterSqlite3 from "better-sqlite3";
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type QueryResult,
  SqliteAdapter,
  SqliteDialect,
  type SqliteDialectConfig,
  SqliteDriver,
} from "kysely";
import { SECOND } from "../clock.js";

/** How long to wait for another connection that writes to the same SQLite file, in milliseconds. */
const BUSY_TIMEOUT = 5 * SECOND;

/** SQLite on this file, opened by the first query, which creates it when it is missing. */
export function sqliteDialect(file: string): Dialect {
  return new ImmediateSqliteDialect({ database: async () => openSqlite(file) });
}

async function openSqlite(file: string): Promise<BetterSqlite3.Database> {
  // Password hashes live here: they are their owner's alone to read.
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  // SQLite's own waiting would block the whole process, the holder of the lock with it.
  const sqlite = new BetterSqlite3(file, { timeout: 0 });
  if (process.platform !== "win32") chmodSync(file, 0o600);
  await whileBusy(() => sqlite.pragma("journal_mode = WAL"), pause);
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
    return new SharingSqliteAdapter();
  }
}

class SharingSqliteAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }

  /** Kysely must not put the uses of the one connection in a row: the driver below does, and knows when to let go. */
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

class ImmediateSqliteDriver extends SqliteDriver {
  readonly #turns = new Turns();

  override async acquireConnection(): Promise<DatabaseConnection> {
    const connection = await super.acquireConnection();
    await this.#turns.take();
    return new PatientConnection(connection, this.#turns);
  }

  override async releaseConnection(): Promise<void> {
    this.#turns.pass();
  }

  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw("begin immediate"));
  }

  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    try {
      await connection.executeQuery(CompiledQuery.raw("rollback"));
    } catch (error) {
      // A full disk, for one, has SQLite roll back by itself: what failed is told then, not this.
      if (!String((error as Error).message).includes("no transaction is active")) throw error;
    }
  }
}

/**
 * Tries again while another process writes. Meanwhile others have their turn: a write that waits must
 * not make reads wait, nor the next write wait twice as long.
 */
class PatientConnection implements DatabaseConnection {
  readonly #connection: DatabaseConnection;
  readonly #turns: Turns;

  constructor(connection: DatabaseConnection, turns: Turns) {
    this.#connection = connection;
    this.#turns = turns;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    return whileBusy(
      () => this.#connection.executeQuery<R>(query),
      // Nothing is half done: a transaction that has begun is the writer, and finds nothing busy.
      async () => {
        this.#turns.pass();
        await pause();
        await this.#turns.take();
      },
    );
  }

  streamQuery<R>(query: CompiledQuery, chunkSize: number): AsyncIterableIterator<QueryResult<R>> {
    return this.#connection.streamQuery(query, chunkSize);
  }
}

/** Lets one at a time have the connection, first come, first served. */
class Turns {
  #taken = false;
  readonly #waiting: (() => void)[] = [];

  async take(): Promise<void> {
    if (this.#taken) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#taken = true;
  }

  pass(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken = false;
    else next();
  }
}

/** Tries again as long as another connection writes, without blocking what else this process does meanwhile. */
async function whileBusy<T>(work: () => T | Promise<T>, wait: () => Promise<void>): Promise<T> {
  const deadline = performance.now() + BUSY_TIMEOUT;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const { code = "" } = error as { code?: string };
      if (!code.startsWith("SQLITE_BUSY") || performance.now() > deadline) throw error;
      await wait();
    }
  }
}

async function pause(): Promise<void> {
  await setTimeout(2 + Math.random() * 10);
}
