import { setImmediate } from "node:timers/promises";
import type { Clock } from "../clock.js";
import { deleteAttemptsExpiredBefore } from "../storage/attempts.js";
import type { Database } from "../storage/database.js";
import { deleteSourcesExpiredBefore } from "../storage/known-sources.js";
import { deleteOneTimeTokensExpiredBefore } from "../storage/one-time-tokens.js";
import { deleteRefreshTokensOfSessionsEndedBefore, forgetSuccessors } from "../storage/refresh-tokens.js";
import { deleteSessionsEndedBefore } from "../storage/sessions.js";
import { deleteSigningKeysExpiredBefore } from "../storage/signing-keys.js";
import { deleteUnverifiedUsersBefore } from "../storage/users.js";
import type { Job } from "./jobs.js";

const HOUR = 3_600_000;
/** How long an ended session is kept, so that its tokens are still told apart from unknown ones, and a sign-up. */
const RETENTION = 7 * 24 * HOUR;
/** Rows a statement: SQLite runs it on the thread that answers requests. */
const BATCH = 200;

/** Removes what is over: sessions with their refresh tokens, sign-ups that were never verified, sealed successors, keys that verify no more, and counts that have started anew. */
export function cleanup({ db, clock, grace }: { db: Database; clock: Clock; grace: number }): Job {
  return {
    name: "cleanup",
    interval: HOUR,
    async run() {
      const now = clock.now();
      await inBatches((limit) => forgetSuccessors(db, now - grace, limit));
      // Tokens before their sessions: a session has any number of them.
      await inBatches((limit) => deleteRefreshTokensOfSessionsEndedBefore(db, now - RETENTION, limit));
      await inBatches((limit) => deleteSessionsEndedBefore(db, now - RETENTION, limit));
      await inBatches((limit) => deleteUnverifiedUsersBefore(db, now - RETENTION, limit));
      await deleteOneTimeTokensExpiredBefore(db, now);
      await deleteSigningKeysExpiredBefore(db, now);
      await inBatches((limit) => deleteAttemptsExpiredBefore(db, now, limit));
      await inBatches((limit) => deleteSourcesExpiredBefore(db, now, limit));
    },
  };
}

/** Lets requests be answered in between. */
async function inBatches(work: (limit: number) => Promise<number>): Promise<void> {
  while ((await work(BATCH)) === BATCH) await setImmediate();
}
