import type { Kysely } from "kysely";
import { createIndex } from "./create-index.js";

export async function up(db: Kysely<unknown>): Promise<void> {
  // Of a user's sessions most have ended.
  await createIndex(db, "sessions_live on sessions (user_id, id) where ended_at is null");
}
