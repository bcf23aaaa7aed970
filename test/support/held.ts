import { setTimeout as sleep } from "node:timers/promises";
import BetterSqlite3 from "better-sqlite3";
import pg from "pg";
import type { App } from "./app.js";
import { closeWithFile } from "./opened.ts";

/** How long a request takes to start waiting for a lock, in milliseconds: SQLite does not report waits. */
const WAIT = 150;
/** How long to wait until PostgreSQL reports that connections wait, in milliseconds. */
const DEADLINE = 10_000;

/** An open transaction of another connection, which has written and not committed. */
export interface Held {
  /** Resolves once this many of the app's connections wait for a lock. */
  waited(connections?: number): Promise<void>;
  /** The tables about users in which the app has locked rows. PostgreSQL only. */
  lockedTables(): Promise<string[]>;
  /** Commits and closes the connection. A second call does nothing. */
  commit(): Promise<void>;
}

/** Runs these statements in a transaction of another connection, and leaves it open. */
export async function hold(app: App, statements: readonly string[]): Promise<Held> {
  return app.databaseUrl.startsWith("sqlite:")
    ? holdSqlite(app.databaseUrl.replace(/^sqlite:/, ""), statements)
    : holdPostgres(app.databaseUrl, statements);
}

/** Sends a request while another connection holds these writes, and commits them once the request waits for a lock. */
export async function meanwhile<T>(
  app: App,
  statements: readonly string[],
  request: () => Promise<T>,
): Promise<T> {
  const held = await hold(app, statements);
  try {
    const answer = request();
    await held.waited();
    await held.commit();
    return await answer;
  } finally {
    await held.commit();
  }
}

async function holdSqlite(file: string, statements: readonly string[]): Promise<Held> {
  // The app may be writing, for example an email that it sends: it goes on while this waits.
  const other = new BetterSqlite3(file, { timeout: 0 });
  for (const deadline = performance.now() + DEADLINE; !other.inTransaction; await sleep(5)) {
    try {
      other.exec("begin immediate");
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error;
    }
  }
  for (const statement of statements) other.exec(statement);
  async function commit() {
    if (other.inTransaction) other.exec("commit");
    other.close();
    forget();
  }
  const forget = closeWithFile(commit);
  return { waited: () => sleep(WAIT), lockedTables: async () => [], commit };
}

function isBusy(error: unknown): boolean {
  return error instanceof BetterSqlite3.SqliteError && error.code === "SQLITE_BUSY";
}

const TABLES = [
  "credentials",
  "sessions",
  "one_time_tokens",
  "totp_secrets",
  "recovery_codes",
  "challenges",
  "items",
  "outbox",
];

async function holdPostgres(url: string, statements: readonly string[]): Promise<Held> {
  const other = new pg.Client({ connectionString: url });
  const watcher = new pg.Client({ connectionString: url });
  let open = true;
  async function commit() {
    if (!open) return;
    open = false;
    await other.query("commit");
    await other.end();
    await watcher.end();
    forget();
  }
  await other.connect();
  await watcher.connect();
  const forget = closeWithFile(commit);
  await other.query("begin");
  for (const statement of statements) {
    const { rowCount } = await other.query(statement);
    if (rowCount === 0) throw new Error(`locks nothing: ${statement}`);
  }
  const waiting = `select count(*)::int as number from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`;
  return {
    async waited(connections = 1) {
      const deadline = performance.now() + DEADLINE;
      while ((await watcher.query(waiting)).rows[0].number < connections) {
        if (performance.now() > deadline)
          throw new Error(`fewer than ${connections} connections wait for a lock`);
        await sleep(10);
      }
    },
    async lockedTables() {
      const locked: string[] = [];
      for (const table of TABLES) {
        const all = await watcher.query(`select count(*)::int as number from ${table}`);
        await watcher.query("begin");
        const free = await watcher.query(`select 1 from ${table} for update skip locked`);
        await watcher.query("rollback");
        if (free.rows.length < all.rows[0].number) locked.push(table);
      }
      return locked;
    },
    commit,
  };
}
