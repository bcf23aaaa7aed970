import { randomBytes } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";

/** Both databases Latchkey runs on: `describe.each(DATABASES)`. */
export const DATABASES = ["sqlite", "postgres"] as const;
export type DatabaseKind = (typeof DATABASES)[number];

/** A DATABASE_URL of an empty database that nothing else uses. */
export async function emptyDatabaseUrl(kind: DatabaseKind): Promise<string> {
  if (kind === "sqlite") return `sqlite:${join(mkdtempSync(join(tmpdir(), "latchkey-")), "latchkey.db")}`;
  const server = process.env["TEST_POSTGRES_URL"];
  const name = `test_${randomBytes(8).toString("hex")}`;
  const client = new pg.Client({ connectionString: `${server}/postgres` });
  await client.connect();
  await client.query(`create database ${name}`);
  await client.end();
  return `${server}/${name}`;
}
