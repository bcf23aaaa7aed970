import { type ExpressionBuilder, type RawBuilder, sql } from "kysely";
import { SECOND } from "../clock.js";
import type { Database } from "./database.js";
import { PreparedQuery } from "./prepared-query.js";
import type { Tables } from "./tables.js";

/** The first wait of a limit that backs off. Each further attempt doubles it, up to 17 minutes. */
const FIRST_WAIT = SECOND;
const DOUBLINGS = 10;

/** The end of a window that has none. Epoch milliseconds. */
const NEVER = Date.parse("9999-12-31T00:00:00Z");

/** What attempts are counted by: the name of a limit, with an account, a network, or both. */
export interface AttemptKey {
  name: string;
  /** Empty for all accounts. */
  account: string;
  /** Empty for all networks. */
  network: string;
}

export interface AttemptLimit {
  /** The attempts that are allowed; two or more. */
  attempts: number;
  /** The count expires this many milliseconds after the first attempt, or with `backOff` after the last. Infinity: never. */
  window: number;
  /** Further attempts have to wait, each longer than the one before, instead of until the end of the window. */
  backOff?: boolean;
}

interface CountedAttempt extends AttemptKey {
  attempts: number;
  now: number;
  /** When the count expires if this is the first attempt, or with `backOff` in any case. */
  end: number;
}

function countQuery(backOff: boolean) {
  return new PreparedQuery((db, { name, account, network, attempts, now, end }: CountedAttempt) => {
    const count = sql<number>`case when attempts.expires_at <= ${now} then 1 else attempts.count + 1 end`;
    const expiresAt: RawBuilder<number> = backOff
      ? sql`${end}`
      : sql`case when attempts.expires_at <= ${now} then ${bigint(end)} else attempts.expires_at end`;
    const over = sql<number>`attempts.count + 1 - cast(${attempts} as integer)`;
    const wait = sql`${sql.lit(FIRST_WAIT)} << case when ${over} > ${sql.lit(DOUBLINGS)} then ${sql.lit(DOUBLINGS)} else ${over} end`;
    return db
      .insertInto("attempts")
      .values({ name, account, network, count: 1, next_at: 0, expires_at: end })
      .onConflict((conflict) =>
        conflict
          .columns(["name", "account", "network"])
          .doUpdateSet({
            count,
            expires_at: expiresAt,
            next_at: sql<number>`case when attempts.expires_at <= ${now} or ${over} < 0 then 0
              else ${backOff ? sql`${bigint(now)} + (${wait})` : sql`attempts.expires_at`} end`,
          })
          .where("attempts.next_at", "<=", now),
      )
      .returning("count");
  });
}

const count = countQuery(false);
const countBackingOff = countQuery(true);

/**
 * Counts an attempt, unless the limit is reached. Concurrent attempts cannot exceed it. In a transaction, a rollback
 * takes the count back.
 * @returns the number of the attempt, or undefined when it has to wait
 */
export async function countAttempt(
  db: Database,
  key: AttemptKey,
  { attempts, window, backOff = false }: AttemptLimit,
  now: number,
): Promise<number | undefined> {
  const query = backOff ? countBackingOff : count;
  return (await query.first(db, { ...key, attempts, now, end: Math.min(now + window, NEVER) }))?.count;
}

/** When all of these limits allow the next attempt, in epoch milliseconds; undefined when they do now. */
export async function findNextAttempt(
  db: Database,
  keys: readonly AttemptKey[],
  now: number,
): Promise<number | undefined> {
  const row = await db
    .selectFrom("attempts")
    .select("next_at")
    .where(({ or, and }) => or(keys.map((key) => and({ ...key }))))
    .where("next_at", ">", now)
    .orderBy("next_at", "desc")
    .executeTakeFirst();
  return row?.next_at;
}

const uncount = new PreparedQuery((db, { name, account, network }: AttemptKey) =>
  db
    .updateTable("attempts")
    .set({ count: sql`count - 1`, next_at: 0 })
    .where(({ and }) => and({ name, account, network }))
    .where("count", ">", 0),
);

/** Takes back one counted attempt, and the wait that it caused. */
export async function uncountAttempt(db: Database, key: AttemptKey): Promise<void> {
  await uncount.run(db, key);
}

const reset = new PreparedQuery((db, { name, account, network }: AttemptKey) =>
  db.deleteFrom("attempts").where(({ and }) => and({ name, account, network })),
);

/** Resets a count. */
export async function resetAttempts(db: Database, key: AttemptKey): Promise<void> {
  await reset.run(db, key);
}

const resetAll = new PreparedQuery((db, { userId, pattern }: { userId: string; pattern: string }) =>
  db.deleteFrom("attempts").where("account", "=", userId).where("name", "like", pattern),
);

/** Resets all counts of a user whose names begin with the kind. */
export async function resetAllAttempts(db: Database, userId: string, kind: string): Promise<void> {
  await resetAll.run(db, { userId, pattern: `${kind}%` });
}

/** Removes up to `limit` counts that expired before a time, or whose user was deleted. @returns how many */
export async function deleteAttemptsExpiredBefore(
  db: Database,
  before: number,
  limit: number,
): Promise<number> {
  const isExpired = (where: ExpressionBuilder<Tables, "attempts">) =>
    where.or([
      where("expires_at", "<", before),
      where.and([
        where("expires_at", "=", NEVER),
        where.not(
          where.exists(
            where.selectFrom("users").select("users.id").whereRef("users.id", "=", "attempts.account"),
          ),
        ),
      ]),
    ]);
  const expired = db
    .selectFrom("attempts")
    .select(["name", "account", "network"])
    .where(isExpired)
    .limit(limit);
  const result = await db
    .deleteFrom("attempts")
    // A count that changed meanwhile stays: see deleteSessionsEndedBefore.
    .where(isExpired)
    .where(({ eb, refTuple }) =>
      eb(refTuple("name", "account", "network"), "in", expired.$asTuple("name", "account", "network")),
    )
    .executeTakeFirst();
  return Number(result.numDeletedRows);
}

/** PostgreSQL takes an untyped parameter for a 32-bit integer. */
function bigint(value: number): RawBuilder<number> {
  return sql`cast(${value} as bigint)`;
}
