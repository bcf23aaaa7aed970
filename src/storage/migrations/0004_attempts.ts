import type { Kysely } from "kysely";
import { createIndex } from "./create-index.js";

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("attempts")
    .addColumn("name", "text", (c) => c.notNull())
    .addColumn("account", "text", (c) => c.notNull())
    .addColumn("source", "text", (c) => c.notNull())
    .addColumn("count", "integer", (c) => c.notNull())
    .addColumn("next_at", "bigint", (c) => c.notNull())
    .addColumn("expires_at", "bigint", (c) => c.notNull())
    .addPrimaryKeyConstraint("attempts_primary_key", ["name", "account", "source"])
    .execute();
  await createIndex(db, "attempts_account on attempts (account)");
  await createIndex(db, "attempts_expires_at on attempts (expires_at)");
  await db.schema
    .createTable("known_sources")
    .addColumn("user_id", "text", (c) => c.notNull().references("users.id").onDelete("cascade"))
    .addColumn("source", "text", (c) => c.notNull())
    .addColumn("expires_at", "bigint", (c) => c.notNull())
    .addPrimaryKeyConstraint("known_sources_primary_key", ["user_id", "source"])
    .execute();
}
