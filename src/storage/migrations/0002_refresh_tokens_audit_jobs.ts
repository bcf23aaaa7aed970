import type { Kysely } from "kysely";
import { createIndex } from "./create-index.js";

export async function up(db: Kysely<unknown>): Promise<void> {
  // Sessions from before could not be refreshed: they have expired.
  await db.schema
    .alterTable("sessions")
    .addColumn("last_used_at", "bigint", (c) => c.notNull().defaultTo(0))
    .execute();
  await db.schema
    .alterTable("sessions")
    .addColumn("expires_at", "bigint", (c) => c.notNull().defaultTo(0))
    .execute();
  await db.schema
    .alterTable("sessions")
    .addColumn("absolute_expires_at", "bigint", (c) => c.notNull().defaultTo(0))
    .execute();
  await db.schema.alterTable("sessions").addColumn("user_agent", "text").execute();
  await db.schema.alterTable("sessions").addColumn("ip_address", "text").execute();
  await createIndex(db, "sessions_expires_at on sessions (expires_at)");
  await db.schema
    .createTable("refresh_tokens")
    .addColumn("token_hash", "text", (c) => c.primaryKey())
    .addColumn("session_id", "text", (c) => c.notNull().references("sessions.id").onDelete("cascade"))
    .addColumn("created_at", "bigint", (c) => c.notNull())
    .addColumn("used_at", "bigint")
    .addColumn("sealed_successor", "text")
    .execute();
  await createIndex(db, "refresh_tokens_session_id on refresh_tokens (session_id)");
  await db.schema
    .createTable("audit_events")
    .addColumn("id", "text", (c) => c.primaryKey())
    .addColumn("at", "bigint", (c) => c.notNull())
    .addColumn("type", "text", (c) => c.notNull())
    // No references: what happened outlives whom it happened to.
    .addColumn("actor_id", "text")
    .addColumn("subject_id", "text")
    .addColumn("session_id", "text")
    .addColumn("ip_address", "text")
    .addColumn("details", "text", (c) => c.notNull())
    .execute();
  await createIndex(db, "audit_events_subject_id on audit_events (subject_id, id)");
  await db.schema
    .createTable("jobs")
    .addColumn("name", "text", (c) => c.primaryKey())
    .addColumn("locked_until", "bigint", (c) => c.notNull())
    .execute();
}
