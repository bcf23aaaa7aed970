import { type AuditEvent, type AuditEventFilter, listAuditEvents } from "../storage/audit.js";
import type { Database } from "../storage/database.js";

/** Shows what was written down. */
export class AuditLog {
  readonly #db: Database;

  constructor(deps: { db: Database }) {
    this.#db = deps.db;
  }

  /** Newest first; the page after the event `after`, or the first. */
  async page(
    page: { first: number; after: string | undefined },
    filter: AuditEventFilter,
  ): Promise<AuditEvent[]> {
    return listAuditEvents(this.#db, page, filter);
  }
}
