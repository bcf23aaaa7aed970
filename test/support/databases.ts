import { randomUUID } from "node:crypto";
import { copyFileSync, existsSync, mkdtempSync, renameSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { migrate } from "../../src/storage/database.js";

/** The databases that Latchkey supports: `describe.each(DATABASES)`. */
export const DATABASES = ["sqlite", "postgres"] as const;
export type DatabaseKind = (typeof DATABASES)[number];

/** Creates an empty database that nothing else uses. @returns its DATABASE_URL */
export async function emptyDatabaseUrl(kind: DatabaseKind): Promise<string> {
  return kind === "sqlite" ? newSqliteFile().databaseUrl : withPostgres((client) => createDatabase(client));
}

/** Creates a database that nothing else uses, with the current schema and no rows. @returns its DATABASE_URL */
export async function migratedDatabaseUrl(kind: DatabaseKind): Promise<string> {
  return kind === "sqlite" ? copyOfSqliteTemplate() : withPostgres(copyOfPostgresTemplate);
}

/** Returns the path and the DATABASE_URL of a SQLite file that does not exist yet, in a new directory. */
export function newSqliteFile(): { file: string; databaseUrl: string } {
  const file = join(mkdtempSync(join(tmpdir(), "sqlite-")), "latchkey.db");
  return { file, databaseUrl: `sqlite:${file}` };
}

/** Migrated once per run. Workers that need it at the same time each create one, and the last one is kept. */
async function copyOfSqliteTemplate(): Promise<string> {
  const template = join(tmpdir(), "template.db");
  if (!existsSync(template)) {
    const { file } = newSqliteFile();
    await migrate({ kind: "sqlite", file });
    renameSync(file, template);
  }
  const { file, databaseUrl } = newSqliteFile();
  copyFileSync(template, file);
  return databaseUrl;
}

const TEMPLATE = "template_latchkey";

/** Migrated once per run, under a lock for which other workers wait. */
async function copyOfPostgresTemplate(client: pg.Client): Promise<string> {
  const existing = () => client.query("select from pg_database where datname = $1", [TEMPLATE]);
  if ((await existing()).rowCount === 0) {
    await client.query("select pg_advisory_lock(1)");
    if ((await existing()).rowCount === 0) {
      const url = await createDatabase(client);
      await migrate({ kind: "postgres", url });
      await client.query(`alter database ${new URL(url).pathname.slice(1)} rename to ${TEMPLATE}`);
    }
    await client.query("select pg_advisory_unlock(1)");
  }
  return createDatabase(client, TEMPLATE);
}

async function createDatabase(client: pg.Client, template = "template1"): Promise<string> {
  const name = `test_${randomUUID().replaceAll("-", "")}`;
  // Copying files takes half as long as writing the same pages to the log.
  await client.query(`create database ${name} template ${template} strategy file_copy`);
  return `${server()}/${name}`;
}

async function withPostgres<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: `${server()}/postgres` });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function server(): string {
  return `${process.env["TEST_POSTGRES_URL"]}`;
}
