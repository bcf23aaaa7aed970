import type { Clock } from "../clock.js";
import type { Database } from "../storage/database.js";
import { deleteSessionsEndedBefore } from "../storage/sessions.js";
import { deleteSigningKeysExpiredBefore } from "../storage/signing-keys.js";
import type { Job } from "./jobs.js";

const HOUR = 3_600_000;
/** How long an ended session is kept, so that its tokens are still told apart from unknown ones. */
const RETENTION = 7 * 24 * HOUR;
const BATCH = 500;

/** Removes what is over: sessions with their refresh tokens, and keys whose last token has expired. */
export function cleanup({ db, clock }: { db: Database; clock: Clock }): Job {
  return {
    name: "cleanup",
    interval: HOUR,
    async run() {
      const now = clock.now();
      // In batches, so that others get at the database in between.
      while ((await deleteSessionsEndedBefore(db, now - RETENTION, BATCH)) === BATCH);
      await deleteSigningKeysExpiredBefore(db, now);
    },
  };
}
