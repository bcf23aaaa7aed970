import { type Kysely, sql } from "kysely";
import { createIndex } from "./create-index.js";

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("one_time_tokens")
    .addColumn("token_hash", "text", (c) => c.primaryKey())
    .addColumn("user_id", "text", (c) => c.notNull().references("users.id").onDelete("cascade"))
    .addColumn("purpose", "text", (c) => c.notNull())
    .addColumn("email", "text", (c) => c.notNull())
    .addColumn("expires_at", "bigint", (c) => c.notNull())
    .addColumn("used_at", "bigint")
    .execute();
  await createIndex(db, "one_time_tokens_user_id_purpose on one_time_tokens (user_id, purpose)");
  await db.schema
    .createTable("outbox")
    .addColumn("id", "text", (c) => c.primaryKey())
    .addColumn("kind", "text", (c) => c.notNull())
    .addColumn("email", "text", (c) => c.notNull())
    .addColumn("user_id", "text")
    .addColumn("created_at", "bigint", (c) => c.notNull())
    .addColumn("next_attempt_at", "bigint", (c) => c.notNull())
    .addColumn("attempts", "integer", (c) => c.notNull())
    .execute();
  await createIndex(db, "audit_events_actor_id on audit_events (actor_id, id)");
  // Rows to hold on to while a rule over several other rows is checked and kept.
  await db.schema
    .createTable("locks")
    .addColumn("name", "text", (c) => c.primaryKey())
    .execute();
  await sql`insert into locks (name) values ('administrators')`.execute(db);
  await createIndex(db, "outbox_next_attempt_at on outbox (next_attempt_at)");
}
