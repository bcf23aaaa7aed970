import { type Kysely, sql } from "kysely";
import { createIndex } from "./create-index.js";

export async function up(db: Kysely<unknown>): Promise<void> {
  // A refresh is one write of one row.
  for (const column of ["refresh_family_hash", "refresh_token_hash", "consumed_refresh_tokens"])
    await db.schema.alterTable("sessions").addColumn(column, "text").execute();
  await sql`update sessions set (refresh_family_hash, refresh_token_hash) = (select family_hash, token_hash
    from refresh_tokens where session_id = sessions.id and used_at is null)`.execute(db);
  await db.schema.dropTable("refresh_tokens").execute();
  await sql`create unique index sessions_refresh_family_hash on sessions (refresh_family_hash)`.execute(db);
  await createIndex(
    db,
    "sessions_consumed on sessions (last_used_at) where consumed_refresh_tokens is not null",
  );
}
