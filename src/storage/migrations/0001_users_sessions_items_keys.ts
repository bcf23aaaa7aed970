import { type Kysely, sql } from "kysely";
import { createIndex } from "./create-index.js";

export async function up(db: Kysely<unknown>): Promise<void> {
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
}
