import type { Kysely } from "kysely";

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable("outbox")
    .addColumn("facts", "text", (c) => c.notNull().defaultTo("{}"))
    .execute();
  await db.schema.alterTable("outbox").addColumn("encrypted_tokens", "text").execute();
}
