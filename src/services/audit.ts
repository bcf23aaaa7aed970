import type { Clock, NewId } from "../clock.js";
import { type AuditEventType, insertAuditEvent } from "../storage/audit.js";
import type { Database } from "../storage/database.js";

/** Where a request comes from. */
export interface Caller {
  ipAddress: string | null;
  userAgent: string | null;
}

/** Who made a change: a user, or an operator when there is no id; and from where. */
export interface ChangedBy {
  actorId?: string | undefined;
  caller?: Caller | undefined;
}

/** What a caller says of an event; what it leaves out is not known or does not apply. */
export interface AuditEntry extends ChangedBy {
  subjectId?: string | undefined;
  sessionId?: string | undefined;
  details?: Record<string, unknown>;
}

export interface AuditDeps {
  clock: Clock;
  newId: NewId;
}

/** Writes down what happened, with the transaction that makes it happen. */
export class Audit {
  constructor(private readonly deps: AuditDeps) {}

  async record(transaction: Database, type: AuditEventType, entry: AuditEntry): Promise<void> {
    await insertAuditEvent(transaction, {
      id: this.deps.newId(),
      at: this.deps.clock.now(),
      type,
      actorId: entry.actorId ?? null,
      subjectId: entry.subjectId ?? null,
      sessionId: entry.sessionId ?? null,
      ipAddress: entry.caller?.ipAddress ?? null,
      details: entry.details ?? {},
    });
  }
}
