import type { Kysely } from "kysely";

export async function up(db: Kysely<unknown>): Promise<void> {
  // What signed before is not known to have signed for less than the longest that can be configured: a day.
  await db.schema
    .alterTable("signing_keys")
    .addColumn("token_lifetime", "bigint", (c) => c.notNull().defaultTo(24 * 60 * 60_000))
    .execute();
  await db.schema.alterTable("signing_keys").dropColumn("expires_at").execute();
}
