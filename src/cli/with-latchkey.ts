import type { Latchkey } from "../compose.js";
import { doubtfulVariables } from "../config/misspelled-variables.js";
import { type Config, type DatabaseConfig, loadConfig, readEnvironment } from "../config.js";
import { blame } from "../exit.js";
import { createLogger } from "../logger.js";

/** Runs `work` with the parts, configured as the server is, and closes them. */
export async function withLatchkey(
  work: (latchkey: Latchkey, config: Config) => Promise<void>,
): Promise<void> {
  const environment = readEnvironment();
  const config = loadConfig(environment);
  for (const doubt of doubtfulVariables(environment)) warn(doubt);
  // Not before the settings are known to be right: loading the parts takes most of a command's time.
  const { compose } = await import("../compose.js");
  const latchkey = compose(config, { logger: createLogger(config) });
  try {
    await work(latchkey, config);
  } finally {
    await latchkey.close();
  }
}

/** As `withLatchkey`, with the database up to date. Names a database that it changes: it may be the wrong one. */
export async function withDatabase(work: (latchkey: Latchkey) => Promise<void>): Promise<void> {
  await withLatchkey(async (latchkey, { database }) => {
    const applied = await migrateDatabase(latchkey, database);
    if (applied.length > 0) {
      const isNew = applied[0]!.startsWith("0001_");
      warn(`${isNew ? "created" : "migrated"} the database ${nameOf(database)}`);
    }
    await work(latchkey);
  });
}

/** Brings the database up to date. @returns the migrations that were applied */
export async function migrateDatabase({ db }: Latchkey, database: DatabaseConfig): Promise<string[]> {
  const { migrate, ping } = await import("../storage/database.js");
  await blame("DATABASE_URL", ping(db));
  return (await migrate(database)).applied;
}

/** Names a database for an operator, without its credentials. */
function nameOf(database: DatabaseConfig): string {
  if (database.kind === "sqlite") return database.file;
  const { host, pathname } = new URL(database.url);
  return `${pathname.slice(1)} on ${host}`;
}

/** Prints a result to standard output. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Prints a note to standard error, so that it never becomes part of a piped result. */
export function warn(line: string): void {
  process.stderr.write(`latchkey: ${line}\n`);
}
