import { setTimeout } from "node:timers/promises";
import type BetterSqlite3 from "better-sqlite3";
import { LRUCache } from "lru-cache";
import { SECOND } from "../clock.js";

/** How long to wait for another connection that writes to the same SQLite file. */
const BUSY_TIMEOUT = 5 * SECOND;

/** The most statements that are kept prepared. */
const MAX_STATEMENTS = 500;

/** Transactions that are committed together. */
export interface CommitGroup {
  /** Resolves once they are on the disk; rejects when none of them was written. */
  readonly committed: Promise<void>;
}

interface OpenGroup extends CommitGroup {
  resolve(): void;
  reject(error: unknown): void;
  /** Whether the next change of turns commits it. */
  due: boolean;
}

/**
 * A SQLite connection that everything in the process uses in turn.
 *
 * Syncing to the disk takes longer than all statements of a transaction. So the transactions that begin in one turn of the
 * event loop are a group: one transaction of SQLite, which syncs once. Each member is a savepoint of it, begins after the
 * previous one has ended, and can be rolled back by itself. What is not a member waits until the group is committed: nobody
 * else reads what might yet be lost.
 */
export class SharedSqlite {
  readonly #statements = new LRUCache<string, BetterSqlite3.Statement<unknown[]>>({ max: MAX_STATEMENTS });
  #taken = false;
  #group: OpenGroup | undefined;
  readonly #waitingAlone: (() => void)[] = [];
  readonly #waitingToJoin: (() => void)[] = [];

  constructor(private readonly sqlite: BetterSqlite3.Database) {}

  prepare(sql: string): BetterSqlite3.Statement<unknown[]> {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.sqlite.prepare<unknown[]>(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /** Runs a statement outside of any group. */
  async alone<T>(work: () => T): Promise<T> {
    return whileBusy(async () => {
      if (this.#taken || this.#group) await new Promise<void>((resolve) => this.#waitingAlone.push(resolve));
      this.#taken = true;
      try {
        return work();
      } finally {
        this.leave();
      }
    });
  }

  /**
   * Takes a turn as a member of a group. The caller ends it with `leave`.
   *
   * While another process writes, reads go on: a waiting write gives up its turn, so that neither they nor the next write
   * wait for it.
   */
  async join(): Promise<CommitGroup> {
    return whileBusy(async () => {
      if (this.#taken) await new Promise<void>((resolve) => this.#waitingToJoin.push(resolve));
      this.#taken = true;
      try {
        this.#group ??= this.#open();
        return this.#group;
      } catch (error) {
        this.leave();
        throw error;
      }
    });
  }

  #open(): OpenGroup {
    // As the writer from the start: one that begins as a reader fails when another process has written meanwhile.
    this.sqlite.exec("begin immediate");
    const { promise: committed, resolve, reject } = Promise.withResolvers<void>();
    // Members that failed do not wait for it.
    committed.catch(() => {});
    const group = { committed, resolve, reject, due: false };
    setImmediate(() => {
      group.due = true;
      if (!this.#taken) this.leave();
    });
    return group;
  }

  /** Ends a turn, and starts the next. */
  leave(): void {
    try {
      if (this.#group?.due) this.#commit(this.#group);
    } finally {
      const next = (this.#group ? undefined : this.#waitingAlone.shift()) ?? this.#waitingToJoin.shift();
      this.#taken = next !== undefined;
      next?.();
    }
  }

  #commit(group: OpenGroup): void {
    this.#group = undefined;
    try {
      this.sqlite.exec("commit");
      group.resolve();
    } catch (error) {
      group.reject(error);
      if (this.sqlite.inTransaction) this.sqlite.exec("rollback");
    }
  }

  /** Runs a statement. SQLite may roll back the whole group when it fails, as for a full disk. */
  attempt<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (this.#group && !this.sqlite.inTransaction) {
        this.#group.reject(error);
        this.#group = undefined;
      }
      throw error;
    }
  }

  isOpen(group: CommitGroup): boolean {
    return group === this.#group;
  }

  close(): void {
    if (this.#group && !this.#taken) this.#commit(this.#group);
    this.sqlite.close();
  }
}

/** Retries while another connection writes, without blocking the process. */
export async function whileBusy<T>(work: () => Promise<T>): Promise<T> {
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
