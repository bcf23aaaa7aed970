import { type Kysely, sql } from "kysely";

/** @param definition what follows `create index`, the same for both databases */
export async function createIndex(db: Kysely<unknown>, definition: string): Promise<void> {
  await sql.raw(`create index ${definition}`).execute(db);
}
