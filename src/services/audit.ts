import type { Clock, NewId } from "../clock.js";
import { type AuditEventType, insertAuditEvent } from "../storage/audit.js";
import type { Database } from "../storage/database.js";

/** Where a request comes from. */
export interface Caller {
  ipAddress: string | null;
  userAgent: string | null;
}

/** Who made a change, and from where. Without an actor it was an operator. */
export interface ChangedBy {
  actorId?: string | undefined;
  caller?: Caller | undefined;
}

/** The facts of an event. What is left out is unknown or does not apply. */
export interface AuditEntry extends ChangedBy {
  subjectId?: string | undefined;
  sessionId?: string | undefined;
  details?: Record<string, unknown>;
}

export interface AuditDeps {
  clock: Clock;
  newId: NewId;
}

/** Records what happened, in the transaction that makes it happen. */
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
