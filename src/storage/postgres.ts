import { type Dialect, PostgresDialect } from "kysely";
import pg from "pg";
import { SECOND } from "../clock.js";
import type { Metrics } from "../metrics.js";

/** How long to wait for a connection, in milliseconds: a new one, or one that others use. */
const CONNECTION_TIMEOUT = 4 * SECOND;
/** After this the server gives a statement up, one that waits for a lock too; and a transaction that does nothing. */
const STATEMENT_TIMEOUT = 4 * SECOND;
/** After this we do: the server hangs, or the network lost the answer. */
const ANSWER_TIMEOUT = 5 * SECOND;

/**
 * PostgreSQL at this address, over a pool of connections opened as they are needed. Whoever asks it gets an answer
 * or an error within some seconds, whatever happened to the server.
 * @param options.onIdleError told of a connection that broke while nobody used it
 * @param options.metrics told how the connections are used
 * @param options.unhurried statements may take as long as they need, as a migration's do
 */
export function postgresDialect(
  url: string,
  {
    onIdleError,
    metrics,
    unhurried = false,
  }: { onIdleError: (error: Error) => void; metrics?: Metrics; unhurried?: boolean },
): Dialect {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: "latchkey",
    connectionTimeoutMillis: CONNECTION_TIMEOUT,
    types: { getTypeParser: typeParser },
    ...(!unhurried && {
      query_timeout: ANSWER_TIMEOUT,
      Client: ImpatientClient,
      // Not among what a connection starts with: PgBouncer refuses those.
      onConnect: async (client) => {
        await client.query(
          `set statement_timeout = ${STATEMENT_TIMEOUT}; set idle_in_transaction_session_timeout = ${STATEMENT_TIMEOUT}`,
        );
      },
    }),
  });
  pool.on("error", onIdleError);
  // The pool does not listen while a connection is in use: without this one that breaks then ends the process.
  // Whoever uses it is told by the statement that fails.
  pool.on("connect", (client) => client.on("error", () => {}));
  metrics?.watchDatabasePool(() => ({
    idle: pool.idleCount,
    active: pool.totalCount - pool.idleCount,
    waiting: pool.waitingCount,
  }));
  return new PostgresDialect({ pool });
}

/** Takes no more statements once an answer did not come: they would only wait behind the one that hangs. */
class ImpatientClient extends pg.Client {
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

/** bigint columns hold epoch milliseconds, which a number holds exactly; pg would give strings. */
function typeParser(oid: number, format?: "text" | "binary") {
  if (oid === pg.types.builtins.INT8 && format !== "binary") return Number;
  return pg.types.getTypeParser(oid, format as "text");
}
