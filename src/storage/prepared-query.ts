import { createHash } from "node:crypto";
import type { Compilable, CompiledQuery, QueryResult } from "kysely";
import type { Database } from "./database.js";

/** Stands for an argument while a query is built. */
class Placeholder {
  constructor(readonly name: PropertyKey) {}

  [Symbol.toPrimitive](): never {
    throw new Error(`a prepared query cannot compute with its argument ${String(this.name)}`);
  }
}

const PLACEHOLDERS = new Proxy({}, { get: (_, name) => new Placeholder(name) });

/** The names of the statements of all prepared queries, by their SQL. */
const names = new Map<string, string>();

/**
 * The name to prepare a statement under, for a statement of a prepared query. It is made of the SQL, so that different
 * versions that share a pooler's connections agree on it.
 */
export function preparedName(sql: string): string | undefined {
  return names.get(sql);
}

/**
 * A query of a fixed shape. It is built and compiled once for each dialect, and each connection prepares it once.
 *
 * It names its columns: PostgreSQL refuses a prepared `select *` once a migration has added a column.
 * @param build returns the query. It can pass its arguments on as values, but not compute with them
 */
export class PreparedQuery<Arguments extends object, Row> {
  /** By the dialect's adapter, which a database shares with its transactions. */
  readonly #compiled = new WeakMap<object, CompiledQuery<Row>>();

  constructor(private readonly build: (db: Database, values: Arguments) => Compilable<Row>) {}

  async all(db: Database, values: Arguments): Promise<Row[]> {
    return (await this.#execute(db, values)).rows;
  }

  async first(db: Database, values: Arguments): Promise<Row | undefined> {
    return (await this.#execute(db, values)).rows[0];
  }

  /** Runs a query that writes. @returns how many rows it wrote */
  async run(db: Database, values: Arguments): Promise<number> {
    return Number((await this.#execute(db, values)).numAffectedRows);
  }

  #execute(db: Database, values: Arguments): Promise<QueryResult<Row>> {
    const compiled = this.#compile(db);
    const parameters = compiled.parameters.map((parameter) =>
      parameter instanceof Placeholder ? values[parameter.name as keyof Arguments] : parameter,
    );
    return db.executeQuery({ ...compiled, parameters });
  }

  #compile(db: Database): CompiledQuery<Row> {
    const { adapter } = db.getExecutor();
    let compiled = this.#compiled.get(adapter);
    if (compiled === undefined) {
      compiled = this.build(db, PLACEHOLDERS as Arguments).compile();
      this.#compiled.set(adapter, compiled);
      const hash = createHash("sha256").update(compiled.sql).digest("hex");
      names.set(compiled.sql, `latchkey_${hash.slice(0, 16)}`);
    }
    return compiled;
  }
}
