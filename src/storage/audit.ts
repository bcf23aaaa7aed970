import type { Selectable } from "kysely";
import { firstIdOf } from "../clock.js";
import type { Database } from "./database.js";
import { PreparedQuery } from "./prepared-query.js";
import type { AuditEventRow } from "./tables.js";

/** The types of audit events, with their descriptions in the schema. Types are added, never renamed. */
export const AUDIT_EVENT_TYPES = {
  LOGIN_SUCCEEDED: "A user signed in.",
  LOGIN_FAILED: "A login failed. The subject is the account that was named, if it exists.",
  ATTEMPTS_LIMITED:
    "A rate limit was reached: further attempts are rejected for now. The details name the limit.",
  REFRESH_TOKEN_REUSED: "A refresh token was used again after it was consumed: the session was ended.",
  LOGGED_OUT: "A user ended their own session by logging out.",
  SESSION_REVOKED: "A session was ended in another way than by logging out.",
  ACCOUNT_REGISTERED: "An account was registered.",
  EMAIL_VERIFIED: "A user or the operator verified an email address.",
  EMAIL_CHANGE_REQUESTED: "A user asked to change their email address.",
  EMAIL_CHANGED: "A user changed their email address.",
  PASSWORD_RESET: "A user set a new password with a token from an email; their sessions were ended.",
  PASSWORD_CHANGED: "A user or the operator changed a password; the user's earlier sessions were ended.",
  PROFILE_UPDATED: "A user changed their profile.",
  ACCOUNT_DELETED: "An account was deleted, with everything that belonged to it.",
  INVITATION_ACCEPTED: "An invited user set their first password.",
  USER_CREATED: "An administrator or the operator created an account.",
  USER_UPDATED: "An administrator changed an account, or an import completed it.",
  USER_DISABLED: "An account was disabled; its sessions were ended.",
  USER_ENABLED: "A disabled account was enabled.",
  USER_ROLES_SET: "An administrator set a user's roles.",
  MFA_CHALLENGED: "A user entered the correct password, and was asked for a second factor.",
  REAUTHENTICATED: "A signed-in user proved again who they are.",
  TOTP_ENABLED: "A user added an authenticator app.",
  TOTP_DISABLED: "A user removed their authenticator app.",
  PASSKEY_ADDED: "A user added a passkey.",
  PASSKEY_REMOVED: "A user removed a passkey.",
  RECOVERY_CODES_REPLACED: "A user replaced their recovery codes.",
  RECOVERY_CODE_USED: "A user signed in with a recovery code. The details say how many are left.",
  MFA_RESET: "An administrator or the operator removed all second factors of a user.",
  SIGNING_KEY_ROTATED: "A new signing key was created.",
  SIGNING_KEY_RETIRED: "A signing key was removed: tokens signed with it are no longer valid.",
} as const;

export type AuditEventType = keyof typeof AUDIT_EVENT_TYPES;

/** The longest details of an event as JSON, in bytes: answers have room for no more. */
export const MAX_DETAILS_BYTES = 1024;

/** An entry in the audit log: who did what to whom, when and from where. Never contains a secret. */
export interface AuditEvent {
  id: string;
  at: number;
  type: AuditEventType;
  /** The user who did it; null for the operator or an unknown caller. */
  actorId: string | null;
  /** The user it was done to. */
  subjectId: string | null;
  sessionId: string | null;
  ipAddress: string | null;
  details: Record<string, unknown>;
}

const insert = new PreparedQuery((db, event: Omit<AuditEvent, "details"> & { details: string }) =>
  db.insertInto("audit_events").values({
    id: event.id,
    at: event.at,
    type: event.type,
    actor_id: event.actorId,
    subject_id: event.subjectId,
    session_id: event.sessionId,
    ip_address: event.ipAddress,
    details: event.details,
  }),
);

/** @throws RangeError for details that are too long, which is a defect: no input may make them so */
export async function insertAuditEvent(db: Database, event: AuditEvent): Promise<void> {
  const details = JSON.stringify(event.details);
  if (Buffer.byteLength(details) > MAX_DETAILS_BYTES) {
    throw new RangeError(`The details of ${event.type} are longer than ${MAX_DETAILS_BYTES} bytes.`);
  }
  await insert.run(db, { ...event, details });
}

/** Selects events that match every field that is set. */
export interface AuditEventFilter {
  /** The actor or the subject. */
  userId?: string | undefined;
  type?: AuditEventType | undefined;
  /** Epoch milliseconds. */
  since?: number | undefined;
}

/** Returns events, newest first, that follow the event `after` in this order. */
export async function listAuditEvents(
  db: Database,
  { first, after }: { first: number; after: string | undefined },
  { userId, type, since }: AuditEventFilter,
): Promise<AuditEvent[]> {
  let query = db.selectFrom("audit_events").selectAll().orderBy("id", "desc").limit(first);
  if (after !== undefined) query = query.where("id", "<", after);
  if (type !== undefined) query = query.where("type", "=", type);
  if (since !== undefined) query = query.where("at", ">=", since);
  if (userId !== undefined) {
    query = query.where((or) => or.or([or("subject_id", "=", userId), or("actor_id", "=", userId)]));
  }
  return (await query.execute()).map(toAuditEvent);
}

/** Removes up to `limit` events from before a time. @returns how many */
export async function deleteAuditEventsBefore(db: Database, before: number, limit: number): Promise<number> {
  // Ids are in chronological order, and indexed.
  const first = firstIdOf(before);
  const result = await db
    .deleteFrom("audit_events")
    .where("id", "<", first)
    .where("id", "in", (query) =>
      query.selectFrom("audit_events").select("id").where("id", "<", first).orderBy("id").limit(limit),
    )
    .executeTakeFirst();
  return Number(result.numDeletedRows);
}

function toAuditEvent(row: Selectable<AuditEventRow>): AuditEvent {
  return {
    id: row.id,
    at: row.at,
    type: row.type as AuditEventType,
    actorId: row.actor_id,
    subjectId: row.subject_id,
    sessionId: row.session_id,
    ipAddress: row.ip_address,
    details: JSON.parse(row.details) as Record<string, unknown>,
  };
}
