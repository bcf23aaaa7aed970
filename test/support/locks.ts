import { setTimeout } from "node:timers/promises";
import pg from "pg";
import { closeWithFile } from "./opened.ts";

/** How long others have to start waiting, in milliseconds: less than a statement's timeout. */
const DEADLINE = 3_000;

/** Runs a statement on PostgreSQL in a transaction of its own, and keeps its locks until `commit`. */
export async function holdLock(databaseUrl: string, statement: string, parameters: unknown[] = []) {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const close = () => client.end().finally(forget);
  const forget = closeWithFile(close);
  await client.query("begin");
  const { rowCount } = await client.query(statement, parameters);
  if (rowCount === 0) throw new Error(`locks nothing: ${statement}`);
  return {
    /** Resolves when this many of the database's other connections wait for a lock. */
    async awaited(waiting: number): Promise<void> {
      for (const deadline = Date.now() + DEADLINE; Date.now() < deadline; await setTimeout(10)) {
        // A transaction keeps seeing its first snapshot of the view.
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
    close,
  };
}
