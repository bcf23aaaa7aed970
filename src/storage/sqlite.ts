import { chmodSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import BetterSqlite3 from "better-sqlite3";
import {
  type CompiledQuery,
  type DatabaseConnection,
  DeleteQueryNode,
  type Dialect,
  type Driver,
  InsertQueryNode,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  UpdateQueryNode,
} from "kysely";
import { type CommitGroup, SharedSqlite, whileBusy } from "./shared-sqlite.js";

/** SQLite on this file. The first query opens it, and creates it when it is missing. */
export function sqliteDialect(file: string): Dialect {
  return {
    createAdapter: () => new SharedConnectionAdapter(),
    createDriver: () => new SharedConnectionDriver(file),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}

async function openSqlite(file: string): Promise<BetterSqlite3.Database> {
  // It contains password hashes: only the owner may read it.
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  // SQLite's own busy timeout would block the whole process, and possibly the holder of the lock with it.
  const sqlite = new BetterSqlite3(file, { timeout: 0 });
  if (process.platform !== "win32") chmodSync(file, 0o600);
  await whileBusy(async () => sqlite.pragma("journal_mode = WAL"));
  sqlite.pragma("synchronous = FULL");
  sqlite.pragma("foreign_keys = ON");
  // SQLite's own only handles ASCII.
  sqlite.function("lower", { deterministic: true }, (text) => (text as string | null)?.toLowerCase());
  return sqlite;
}

class SharedConnectionAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }

  /** Keeps Kysely from queueing for the one connection: `SharedSqlite` does that. */
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

class SharedConnectionDriver implements Driver {
  #shared: SharedSqlite | undefined;

  constructor(private readonly file: string) {}

  async init(): Promise<void> {
    this.#shared = new SharedSqlite(await openSqlite(this.file));
  }

  async destroy(): Promise<void> {
    this.#shared?.close();
  }

  async acquireConnection(): Promise<SharedConnection> {
    return new SharedConnection(this.#shared!);
  }

  async releaseConnection(): Promise<void> {}

  beginTransaction(connection: SharedConnection): Promise<void> {
    return connection.begin();
  }

  commitTransaction(connection: SharedConnection): Promise<void> {
    return connection.commit();
  }

  async rollbackTransaction(connection: SharedConnection): Promise<void> {
    connection.rollback();
  }
}

/** What one query or transaction sees of the shared connection. */
class SharedConnection implements DatabaseConnection {
  /** Of the transaction, until it ends. */
  #group: CommitGroup | undefined;

  constructor(private readonly shared: SharedSqlite) {}

  async executeQuery<R>(compiled: CompiledQuery): Promise<QueryResult<R>> {
    if (this.#group !== undefined) return this.#run(compiled);
    if (!writes(compiled)) return this.shared.alone(() => this.#run<R>(compiled));
    const group = await this.shared.join();
    let result: QueryResult<R>;
    try {
      result = this.#run<R>(compiled);
    } finally {
      this.shared.leave();
    }
    await group.committed;
    return result;
  }

  async *streamQuery<R>(compiled: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    yield await this.executeQuery<R>(compiled);
  }

  #run<R>({ sql, parameters }: CompiledQuery): QueryResult<R> {
    const statement = this.shared.prepare(sql);
    if (statement.reader) return { rows: this.shared.attempt(() => statement.all(parameters)) as R[] };
    const { changes } = this.shared.attempt(() => statement.run(parameters));
    return { numAffectedRows: BigInt(changes), rows: [] };
  }

  async begin(): Promise<void> {
    const group = await this.shared.join();
    try {
      this.shared.prepare("savepoint member").run();
      this.#group = group;
    } finally {
      if (this.#group === undefined) this.shared.leave();
    }
  }

  /** Resolves once the transaction is on the disk. */
  async commit(): Promise<void> {
    const group = this.#group!;
    this.shared.prepare("release member").run();
    this.#group = undefined;
    this.shared.leave();
    await group.committed;
  }

  /** Does nothing when the transaction was over already: its group could not be committed. */
  rollback(): void {
    if (this.#group === undefined) return;
    const isOpen = this.shared.isOpen(this.#group);
    this.#group = undefined;
    try {
      if (isOpen) this.shared.prepare("rollback to member").run();
      if (isOpen) this.shared.prepare("release member").run();
    } finally {
      this.shared.leave();
    }
  }
}

function writes({ query }: CompiledQuery): boolean {
  return InsertQueryNode.is(query) || UpdateQueryNode.is(query) || DeleteQueryNode.is(query);
}
