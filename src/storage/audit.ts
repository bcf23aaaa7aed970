import type { Database } from "./database.js";

/** What an audit event is about. The list grows; a name never changes. */
export const AUDIT_EVENT_TYPES = {
  LOGIN_SUCCEEDED: "A user signed in.",
  LOGIN_FAILED: "A login was refused; the subject is the account it was for, if there is one.",
  TOKEN_REFRESHED: "A session was refreshed.",
  REFRESH_TOKEN_REUSED: "A spent refresh token was used again: the session was ended.",
  LOGGED_OUT: "A user ended their own session.",
  SESSION_REVOKED: "A session was ended from elsewhere.",
  SIGNING_KEY_ROTATED: "A new key signs from now on.",
  SIGNING_KEY_RETIRED: "A key verifies no more.",
} as const;

export type AuditEventType = keyof typeof AUDIT_EVENT_TYPES;

/** Something that happened: who did what to whom, when and from where. Never a secret. */
export interface AuditEvent {
  id: string;
  at: number;
  type: AuditEventType;
  /** The user who did it; null for an operator or nobody known. */
  actorId: string | null;
  /** The user it was done to. */
  subjectId: string | null;
  sessionId: string | null;
  ipAddress: string | null;
  details: Record<string, unknown>;
}

export async function insertAuditEvent(db: Database, event: AuditEvent): Promise<void> {
  await db
    .insertInto("audit_events")
    .values({
      id: event.id,
      at: event.at,
      type: event.type,
      actor_id: event.actorId,
      subject_id: event.subjectId,
      session_id: event.sessionId,
      ip_address: event.ipAddress,
      details: JSON.stringify(event.details),
    })
    .execute();
}
