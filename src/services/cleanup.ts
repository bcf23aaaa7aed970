import { setImmediate } from "node:timers/promises";
import { CLOCK_TOLERANCE, type Clock, DAY, HOUR } from "../clock.js";
import { deleteAttemptsExpiredBefore } from "../storage/attempts.js";
import { deleteAuditEventsBefore } from "../storage/audit.js";
import type { Database } from "../storage/database.js";
import { deleteKnownNetworksExpiredBefore } from "../storage/known-networks.js";
import { deleteOneTimeTokensExpiredBefore } from "../storage/one-time-tokens.js";
import { deleteConsumedTokens } from "../storage/refresh-tokens.js";
import { deleteSessionsEndedBefore } from "../storage/sessions.js";
import { deleteSigningKeysExpiredBefore } from "../storage/signing-keys.js";
import { deleteUnverifiedUsersBefore } from "../storage/users.js";
import type { Job } from "./jobs.js";
import { pastGrace } from "./sessions/refresh.js";

/** How long an ended session is kept, so that its tokens are still told apart from unknown ones, and a sign-up. */
const RETENTION = 7 * DAY;
/** Rows a statement: SQLite runs it on the thread that answers requests. */
const BATCH = 200;

/**
 * Removes what is over: consumed refresh tokens, sessions, one-time tokens, accounts that were never verified, keys that
 * verify no more, counts that have started anew, and old audit events.
 * @param deps.grace for how long a consumed refresh token gives its successor again, in milliseconds
 * @param deps.auditRetention how long audit events are kept, in milliseconds
 */
export function cleanup({
  db,
  clock,
  grace,
  auditRetention,
}: {
  db: Database;
  clock: Clock;
  grace: number;
  auditRetention: number;
}): Job {
  return {
    name: "cleanup",
    interval: HOUR,
    async run() {
      const now = clock.now();
      // For a process whose clock is behind it may not be over yet.
      const over = now - CLOCK_TOLERANCE;
      await inBatches((limit) => deleteConsumedTokens(db, pastGrace(now, grace), limit));
      await inBatches((limit) => deleteSessionsEndedBefore(db, now - RETENTION, limit));
      // As long as an account has one-time tokens it stays: it goes some time after its invitation has expired.
      await inBatches((limit) => deleteOneTimeTokensExpiredBefore(db, now - DAY, limit));
      await inBatches((limit) => deleteUnverifiedUsersBefore(db, now - RETENTION, limit));
      await deleteSigningKeysExpiredBefore(db, over);
      await inBatches((limit) => deleteAttemptsExpiredBefore(db, over, limit));
      await inBatches((limit) => deleteKnownNetworksExpiredBefore(db, over, limit));
      await inBatches((limit) => deleteAuditEventsBefore(db, now - auditRetention, limit));
    },
  };
}

/** Lets requests be answered in between. */
async function inBatches(work: (limit: number) => Promise<number>): Promise<void> {
  while ((await work(BATCH)) === BATCH) await setImmediate();
}
