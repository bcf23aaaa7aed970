import type { Database } from "../../src/storage/database.js";

export async function deleteUser(db: Database, username: string): Promise<void> {
  await db.deleteFrom("users").where("username", "=", username).execute();
}
