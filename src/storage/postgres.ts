import { type Dialect, PostgresDialect } from "kysely";
import pg from "pg";
import { SECOND } from "../clock.js";
import type { Metrics } from "../metrics.js";
import { preparedName } from "./prepared-query.js";

/** How long to wait for a connection, new or from the pool. */
const CONNECTION_TIMEOUT = 4 * SECOND;
/** The server cancels a statement, even one waiting for a lock, and an idle transaction after this time. */
const STATEMENT_TIMEOUT = 4 * SECOND;
/** We give up on an answer after this time: the server hangs, or the network lost it. */
const ANSWER_TIMEOUT = 5 * SECOND;

/**
 * PostgreSQL at this address, over a pool of connections that opens them as needed. Every statement ends in an answer or
 * an error within seconds, whatever happens to the server.
 * @param options.onIdleError receives the error of a connection that broke while idle
 * @param options.metrics reports how the connections are used
 * @param options.withoutTimeouts lets statements take as long as they need, as migrations do
 * @param options.preparedStatements whether connections keep the statements of prepared queries
 */
export function postgresDialect(
  url: string,
  {
    onIdleError,
    metrics,
    withoutTimeouts = false,
    preparedStatements = true,
  }: {
    onIdleError: (error: Error) => void;
    metrics?: Metrics;
    withoutTimeouts?: boolean;
    preparedStatements?: boolean;
  },
): Dialect {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: "latchkey",
    connectionTimeoutMillis: CONNECTION_TIMEOUT,
    types: { getTypeParser: typeParser },
    ...(!withoutTimeouts && {
      query_timeout: ANSWER_TIMEOUT,
      Client: preparedStatements ? PreparingClient : ClosingClient,
      // Not as startup parameters: PgBouncer rejects those.
      onConnect: async (client) => {
        await client.query(
          `set statement_timeout = ${STATEMENT_TIMEOUT}; set idle_in_transaction_session_timeout = ${STATEMENT_TIMEOUT}`,
        );
      },
    }),
  });
  pool.on("error", onIdleError);
  // The pool does not listen while a connection is in use: without a listener, one that breaks then ends the process. Its
  // user learns it from the failed statement.
  pool.on("connect", (client) => client.on("error", () => {}));
  metrics?.watchDatabasePool(() => ({
    idle: pool.idleCount,
    active: pool.totalCount - pool.idleCount,
    waiting: pool.waitingCount,
  }));
  return new PostgresDialect({ pool });
}

/** Closes once a statement has timed out: further ones would only wait behind the one that hangs. */
class ClosingClient extends pg.Client {
  override query(...statement: never[]): never {
    const answer: unknown = Reflect.apply(super.query, this, statement);
    if (answer instanceof Promise) {
      answer.catch(({ message }: Error) => {
        if (message === "Query read timeout") this.end().catch(() => {});
      });
    }
    return answer as never;
  }
}

/** Prepares each statement of a prepared query under its name, when it first runs it. */
class PreparingClient extends ClosingClient {
  override query(...statement: never[]): never {
    const [text, values]: unknown[] = statement;
    const name = typeof text === "string" ? preparedName(text) : undefined;
    const prepared = name === undefined ? statement : [{ name, text, values }];
    return Reflect.apply(super.query, this, prepared) as never;
  }
}

/** bigint columns hold epoch milliseconds, which fit a number; pg returns strings by default. */
function typeParser(oid: number, format?: "text" | "binary") {
  if (oid === pg.types.builtins.INT8 && format !== "binary") return Number;
  return pg.types.getTypeParser(oid, format as "text");
}
