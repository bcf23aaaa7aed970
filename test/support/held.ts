import { setTimeout as sleep } from "node:timers/promises";
import BetterSqlite3 from "better-sqlite3";
import pg from "pg";
import type { App } from "./app.js";

/** The time in which a request gets as far as waiting for another's write, where the database does not show it. */
const WAIT = 150;
const DEADLINE = 10_000;

/** A transaction of another process that has written and not committed. */
export interface Held {
  /** Resolves once so many of the app's connections wait for it. */
  waited(connections?: number): Promise<void>;
  /** The tables in which the app has locked rows, of those about users. PostgreSQL only. */
  lockedTables(): Promise<string[]>;
  /** Again does nothing. */
  commit(): Promise<void>;
}

/** Runs these statements in a transaction of another process, and leaves it open. */
export async function hold(app: App, statements: readonly string[]): Promise<Held> {
  return app.databaseUrl.startsWith("sqlite:")
    ? holdSqlite(app.databaseUrl.replace(/^sqlite:/, ""), statements)
    : holdPostgres(app.databaseUrl, statements);
}

/** Sends a request while another process holds these writes, which it commits once the request waits for them. */
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

function holdSqlite(file: string, statements: readonly string[]): Held {
  const other = new BetterSqlite3(file);
  other.exec("begin immediate");
  for (const statement of statements) other.exec(statement);
  return {
    waited: () => sleep(WAIT),
    lockedTables: async () => [],
    async commit() {
      if (other.inTransaction) other.exec("commit");
      other.close();
    },
  };
}

const TABLES = ["credentials", "sessions", "refresh_tokens", "one_time_tokens", "items", "outbox"];

async function holdPostgres(url: string, statements: readonly string[]): Promise<Held> {
  const other = new pg.Client({ connectionString: url });
  await other.connect();
  await other.query("begin");
  for (const statement of statements) await other.query(statement);
  const watcher = new pg.Client({ connectionString: url });
  await watcher.connect();
  let open = true;
  const waiting = `select count(*)::int as number from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`;
  return {
    async waited(connections = 1) {
      const deadline = performance.now() + DEADLINE;
      while ((await watcher.query(waiting)).rows[0].number < connections) {
        if (performance.now() > deadline) throw new Error("nothing waits for the held rows");
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
    async commit() {
      if (!open) return;
      open = false;
      await other.query("commit");
      await other.end();
      await watcher.end();
    },
  };
}
