import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable("sessions")
    .addColumn("authenticated_at", "bigint", (c) => c.notNull().defaultTo(0))
    .execute();
  // Until now there was no other method.
  await db.schema
    .alterTable("sessions")
    .addColumn("authentication_methods", "text", (c) => c.notNull().defaultTo("pwd"))
    .execute();
  await sql`update sessions set authenticated_at = created_at`.execute(db);
}
