import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

/**
 * The schema's history, oldest first. Append only: a migration that has been released never changes.
 * `bigint` is an integer to SQLite, so that one list serves both databases.
 */
export const migrations: Record<string, Migration> = {
  "0001_users_sessions_items_keys": {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("users")
        .addColumn("id", "text", (c) => c.primaryKey())
        .addColumn("username", "text", (c) => c.notNull().unique())
        .addColumn("email", "text", (c) => c.notNull())
        .addColumn("email_verified_at", "bigint")
        .addColumn("full_name", "text")
        .addColumn("disabled_at", "bigint")
        .addColumn("roles", "text", (c) => c.notNull())
        .addColumn("created_at", "bigint", (c) => c.notNull())
        .addColumn("updated_at", "bigint", (c) => c.notNull())
        .execute();
      // Anyone can claim an address; one account can have verified it.
      await sql`create unique index users_verified_email on users (email) where email_verified_at is not null`.execute(
        db,
      );
      await createIndex(db, "users_email on users (email)");
      await db.schema
        .createTable("credentials")
        .addColumn("user_id", "text", (c) => c.primaryKey().references("users.id").onDelete("cascade"))
        .addColumn("password_hash", "text", (c) => c.notNull())
        .addColumn("updated_at", "bigint", (c) => c.notNull())
        .execute();
      await db.schema
        .createTable("sessions")
        .addColumn("id", "text", (c) => c.primaryKey())
        .addColumn("user_id", "text", (c) => c.notNull().references("users.id").onDelete("cascade"))
        .addColumn("created_at", "bigint", (c) => c.notNull())
        .addColumn("ended_at", "bigint")
        .execute();
      await createIndex(db, "sessions_user_id on sessions (user_id)");
      await db.schema
        .createTable("items")
        .addColumn("id", "text", (c) => c.primaryKey())
        .addColumn("owner_id", "text", (c) => c.notNull().references("users.id").onDelete("cascade"))
        .addColumn("title", "text", (c) => c.notNull())
        .addColumn("description", "text")
        .addColumn("created_at", "bigint", (c) => c.notNull())
        .addColumn("updated_at", "bigint", (c) => c.notNull())
        .execute();
      await createIndex(db, "items_owner_id_id on items (owner_id, id)");
      await db.schema
        .createTable("signing_keys")
        .addColumn("kid", "text", (c) => c.primaryKey())
        .addColumn("algorithm", "text", (c) => c.notNull())
        .addColumn("public_jwk", "text", (c) => c.notNull())
        .addColumn("sealed_private_key", "text", (c) => c.notNull())
        .addColumn("created_at", "bigint", (c) => c.notNull())
        .addColumn("superseded_at", "bigint")
        .addColumn("expires_at", "bigint")
        .execute();
      // One key is the newest: of processes that start at once, one makes it.
      await sql`create unique index signing_keys_current on signing_keys ((superseded_at is null)) where superseded_at is null`.execute(
        db,
      );
    },
  },
  "0002_refresh_tokens_audit_jobs": {
    async up(db: Kysely<unknown>) {
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
    },
  },
  "0003_one_time_tokens_outbox": {
    async up(db: Kysely<unknown>) {
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
    },
  },
  "0004_attempts": {
    async up(db) {
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
    },
  },
  "0005_deleted_users": {
    async up(db) {
      await db.schema.alterTable("users").addColumn("deleted_at", "bigint").execute();
      await createIndex(db, "users_deleted on users (id) where deleted_at is not null");
    },
  },
  "0006_token_lifetime_of_keys": {
    async up(db) {
      // What signed before is not known to have signed for less than the longest that can be configured: a day.
      await db.schema
        .alterTable("signing_keys")
        .addColumn("token_lifetime", "bigint", (c) => c.notNull().defaultTo(24 * 60 * 60_000))
        .execute();
      await db.schema.alterTable("signing_keys").dropColumn("expires_at").execute();
    },
  },
  "0007_refresh_token_families_indexes": {
    async up(db) {
      // Of the tokens from before it is not known which family they are of: their sessions begin anew.
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
    },
  },
  "0009_live_sessions": {
    async up(db: Kysely<unknown>) {
      // Of a user's sessions most have ended.
      await createIndex(db, "sessions_live on sessions (user_id, id) where ended_at is null");
    },
  },
  "0010_outbox_facts": {
    async up(db) {
      await db.schema
        .alterTable("outbox")
        .addColumn("facts", "text", (c) => c.notNull().defaultTo("{}"))
        .execute();
      await db.schema.alterTable("outbox").addColumn("encrypted_tokens", "text").execute();
    },
  },
  "0011_networks": {
    async up(db) {
      await db.schema.alterTable("known_sources").renameTo("known_networks").execute();
      await db.schema.alterTable("known_networks").renameColumn("source", "network").execute();
      await db.schema.alterTable("attempts").renameColumn("source", "network").execute();
      await sql`update attempts set name = replace(name, '_SOURCE', '_NETWORK')`.execute(db);
    },
  },
  "0012_refresh_tokens_in_sessions": {
    async up(db) {
      // A refresh is one write of one row.
      for (const column of ["refresh_family_hash", "refresh_token_hash", "consumed_refresh_tokens"])
        await db.schema.alterTable("sessions").addColumn(column, "text").execute();
      await sql`update sessions set (refresh_family_hash, refresh_token_hash) = (select family_hash, token_hash
        from refresh_tokens where session_id = sessions.id and used_at is null)`.execute(db);
      await db.schema.dropTable("refresh_tokens").execute();
      await sql`create unique index sessions_refresh_family_hash on sessions (refresh_family_hash)`.execute(
        db,
      );
      await createIndex(
        db,
        "sessions_consumed on sessions (last_used_at) where consumed_refresh_tokens is not null",
      );
    },
  },
};

async function createIndex(db: Kysely<unknown>, definition: string): Promise<void> {
  await sql.raw(`create index ${definition}`).execute(db);
}
