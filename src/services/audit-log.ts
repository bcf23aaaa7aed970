import { type AuditEvent, type AuditEventFilter, listAuditEvents } from "../storage/audit.js";
import type { Database } from "../storage/database.js";

export interface AuditLogDeps {
  db: Database;
}

/** Reads the audit log. */
export class AuditLog {
  constructor(private readonly deps: AuditLogDeps) {}

  /** Newest first; the page after the event `after`, or the first. */
  async page(
    page: { first: number; after: string | undefined },
    filter: AuditEventFilter,
  ): Promise<AuditEvent[]> {
    return listAuditEvents(this.deps.db, page, filter);
  }
}
