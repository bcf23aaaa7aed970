import type { Database } from "./database.js";

export async function deletePasskeys(db: Database, userId: string): Promise<void> {
  await db.deleteFrom("passkeys").where("user_id", "=", userId).execute();
}
