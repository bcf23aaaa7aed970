import { type Kysely, sql } from "kysely";
import { createIndex } from "./create-index.js";

export async function up(db: Kysely<unknown>): Promise<void> {
  // The family of an older token is unknown, so its session ends.
  await sql`delete from refresh_tokens`.execute(db);
  await sql`update sessions set ended_at = last_used_at where ended_at is null`.execute(db);
  await db.schema
    .alterTable("refresh_tokens")
    .addColumn("family_hash", "text", (c) => c.notNull().defaultTo(""))
    .execute();
  await createIndex(db, "refresh_tokens_family_hash on refresh_tokens (family_hash)");
  // Refreshes are no events any more: the session's row says when the last one was.
  await sql`delete from audit_events where type = 'TOKEN_REFRESHED'`.execute(db);
  // What the cleanup looks for.
  await createIndex(db, "refresh_tokens_used_at on refresh_tokens (used_at) where used_at is not null");
  await createIndex(db, "sessions_ended_at on sessions (ended_at) where ended_at is not null");
  await createIndex(db, "users_unverified on users (created_at) where email_verified_at is null");
  await createIndex(db, "one_time_tokens_expires_at on one_time_tokens (expires_at)");
  await createIndex(db, "known_sources_expires_at on known_sources (expires_at)");
}
