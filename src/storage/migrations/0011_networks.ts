import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable("known_sources").renameTo("known_networks").execute();
  await db.schema.alterTable("known_networks").renameColumn("source", "network").execute();
  await db.schema.alterTable("attempts").renameColumn("source", "network").execute();
  await sql`update attempts set name = replace(name, '_SOURCE', '_NETWORK')`.execute(db);
}
