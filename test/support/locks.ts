import { setTimeout } from "node:timers/promises";
import pg from "pg";

/** For how long to wait for others to wait, in milliseconds: less than what a statement may take. */
const DEADLINE = 3_000;

/**
 * Runs a statement on PostgreSQL in a transaction of its own, and holds what it locked until that is committed.
 * To be closed after the test.
 */
export async function holdLock(databaseUrl: string, statement: string, parameters: unknown[] = []) {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query("begin");
  const { rowCount } = await client.query(statement, parameters);
  if (rowCount === 0) throw new Error(`locks nothing: ${statement}`);
  return {
    /** Resolves when so many of the database's other connections wait for a lock. */
    async awaited(waiting: number): Promise<void> {
      for (const deadline = Date.now() + DEADLINE; Date.now() < deadline; await setTimeout(10)) {
        // Within a transaction the view would stay as it was when it was first looked at.
        await client.query("select pg_stat_clear_snapshot()");
        const { rows } = await client.query(
          "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
        );
        if (rows.length >= waiting) return;
      }
      throw new Error(`fewer than ${waiting} wait for the lock`);
    },
    async commit(): Promise<void> {
      await client.query("commit");
    },
    async close(): Promise<void> {
      await client.end();
    },
  };
}
