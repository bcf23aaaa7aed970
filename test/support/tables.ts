import type { AuditEventType } from "../../src/storage/audit.js";
import type { Database } from "../../src/storage/database.js";

export async function deleteUser(db: Database, username: string): Promise<void> {
  await db.deleteFrom("users").where("username", "=", username).execute();
}

/** Returns the audit events about a user, oldest first. */
export async function auditEventsOf(db: Database, userId: string) {
  const rows = await db
    .selectFrom("audit_events")
    .selectAll()
    .where("subject_id", "=", userId)
    .orderBy("id")
    .execute();
  return rows.map(({ type, session_id, actor_id, details }) => ({
    type: type as AuditEventType,
    sessionId: session_id,
    actorId: actor_id,
    details: JSON.parse(details),
  }));
}
