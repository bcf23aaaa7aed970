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
  type SqliteDatabase,
  SqliteDialect,
  type SqliteDialectConfig,
  SqliteDriver,
  type SqliteStatement,
} from "kysely";
import { SECOND } from "../clock.js";
import { preparedName } from "./prepared-query.js";

/** How long to wait for another connection that writes to the same SQLite file. */
const BUSY_TIMEOUT = 5 * SECOND;

/** SQLite on this file. The first query opens it, and creates it when it is missing. */
export function sqliteDialect(file: string): Dialect {
  return new ImmediateSqliteDialect({ database: async () => keepingPrepared(await openSqlite(file)) });
}

async function openSqlite(file: string): Promise<BetterSqlite3.Database> {
  // It contains password hashes: only the owner may read it.
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  // SQLite's own busy timeout would block the whole process, and possibly the holder of the lock with it.
  const sqlite = new BetterSqlite3(file, { timeout: 0 });
  if (process.platform !== "win32") chmodSync(file, 0o600);
  await whileBusy(() => sqlite.pragma("journal_mode = WAL"), pause);
  sqlite.pragma("synchronous = FULL");
  sqlite.pragma("foreign_keys = ON");
  // SQLite's own only handles ASCII.
  sqlite.function("lower", { deterministic: true }, (text) => (text as string | null)?.toLowerCase());
  return sqlite;
}

/** Prepares the statements of prepared queries once. */
function keepingPrepared(sqlite: BetterSqlite3.Database): SqliteDatabase {
  const kept = new Map<string, SqliteStatement>();
  return {
    prepare(sql) {
      let statement = kept.get(sql);
      if (statement === undefined) {
        statement = sqlite.prepare<unknown[]>(sql) as SqliteStatement;
        if (preparedName(sql) !== undefined) kept.set(sql, statement);
      }
      return statement;
    },
    close: () => sqlite.close(),
  };
}

/**
 * By default a SQLite transaction starts as a reader, and fails immediately when it writes after another process has
 * written, whatever the busy timeout. Starting as the writer waits instead, and lets migrations run in a transaction.
 */
class ImmediateSqliteDialect extends SqliteDialect {
  constructor(private readonly config: SqliteDialectConfig) {
    super(config);
  }

  override createDriver() {
    return new ImmediateSqliteDriver(this.config);
  }

  override createAdapter() {
    return new SharedConnectionAdapter();
  }
}

class SharedConnectionAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }

  /** Keeps Kysely from queueing for the one connection: the driver below does that, and knows when to release it. */
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

class ImmediateSqliteDriver extends SqliteDriver {
  readonly #mutex = new Mutex();

  override async acquireConnection(): Promise<DatabaseConnection> {
    const connection = await super.acquireConnection();
    await this.#mutex.acquire();
    return new RetryingConnection(connection, this.#mutex);
  }

  override async releaseConnection(): Promise<void> {
    this.#mutex.release();
  }

  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw("begin immediate"));
  }

  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    try {
      await connection.executeQuery(CompiledQuery.raw("rollback"));
    } catch (error) {
      // SQLite may have rolled back by itself, as for a full disk: then the original error counts, not this one.
      if (!String((error as Error).message).includes("no transaction is active")) throw error;
    }
  }
}

/**
 * Retries while another process writes. In the meantime others use the connection: a waiting write must not make reads
 * wait, nor make the next write wait twice as long.
 */
class RetryingConnection implements DatabaseConnection {
  constructor(
    private readonly connection: DatabaseConnection,
    private readonly mutex: Mutex,
  ) {}

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    return whileBusy(
      () => this.connection.executeQuery<R>(query),
      // Only outside a transaction, which is the writer once it has begun: then nothing is busy.
      async () => {
        this.mutex.release();
        await pause();
        await this.mutex.acquire();
      },
    );
  }

  streamQuery<R>(query: CompiledQuery, chunkSize: number): AsyncIterableIterator<QueryResult<R>> {
    return this.connection.streamQuery(query, chunkSize);
  }
}

/** A mutex for the connection, first come, first served. */
class Mutex {
  #held = false;
  readonly #waiting: (() => void)[] = [];

  async acquire(): Promise<void> {
    if (this.#held) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#held = true;
  }

  release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#held = false;
    else next();
  }
}

/** Retries while another connection writes, without blocking the process. */
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
