import type { Kysely } from "kysely";
import { createIndex } from "./create-index.js";

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable("users").addColumn("deleted_at", "bigint").execute();
  await createIndex(db, "users_deleted on users (id) where deleted_at is not null");
}
