import { CLOCK_TOLERANCE, type Clock, DAY, HOUR } from "../clock.js";
import { deleteAttemptsExpiredBefore } from "../storage/attempts.js";
import { deleteAuditEventsBefore } from "../storage/audit.js";
import { deleteChallengesExpiredBefore } from "../storage/challenges.js";
import type { Database } from "../storage/database.js";
import { deleteKnownNetworksExpiredBefore } from "../storage/known-networks.js";
import { deleteOneTimeTokensExpiredBefore } from "../storage/one-time-tokens.js";
import { forgetConsumedTokens } from "../storage/refresh-tokens.js";
import { deleteSessionsEndedBefore } from "../storage/sessions.js";
import { deleteSigningKeysExpiredBefore } from "../storage/signing-keys.js";
import { deleteUnverifiedUsersBefore } from "../storage/user-deletion.js";
import { inBatches } from "./batches.js";
import type { Job } from "./jobs.js";
import { pastGrace } from "./sessions/refresh.js";

/**
 * How long an ended session is kept, so that its tokens are still told apart from unknown ones, and an account whose
 * email address was never verified.
 */
const RETENTION = 7 * DAY;

export interface CleanupDeps {
  db: Database;
  clock: Clock;
  /** How long a consumed refresh token returns its successor again, in milliseconds. */
  grace: number;
  /** How long audit events are kept, in milliseconds. */
  auditRetention: number;
}

/**
 * Removes what nothing needs any more: consumed refresh tokens, ended sessions, expired one-time tokens and challenges,
 * accounts that were never verified, keys that no longer verify, expired counts and networks, and old audit events.
 */
export function cleanup({ db, clock, grace, auditRetention }: CleanupDeps): Job {
  return {
    name: "cleanup",
    interval: HOUR,
    async run() {
      const now = clock.now();
      // By the clock of a process that is behind, it may not have expired yet.
      const expired = now - CLOCK_TOLERANCE;
      await deleteAll((limit) => forgetConsumedTokens(db, pastGrace(now, grace), limit));
      await deleteAll((limit) => deleteSessionsEndedBefore(db, now - RETENTION, limit));
      // An account stays as long as it has one-time tokens: these go a day after they expired.
      await deleteAll((limit) => deleteOneTimeTokensExpiredBefore(db, now - DAY, limit));
      await deleteAll((limit) => deleteUnverifiedUsersBefore(db, now - RETENTION, limit));
      await deleteAll((limit) => deleteChallengesExpiredBefore(db, expired, limit));
      await deleteSigningKeysExpiredBefore(db, expired);
      await deleteAll((limit) => deleteAttemptsExpiredBefore(db, expired, limit));
      await deleteAll((limit) => deleteKnownNetworksExpiredBefore(db, expired, limit));
      await deleteAll((limit) => deleteAuditEventsBefore(db, now - auditRetention, limit));
    },
  };
}

/** @param remove returns how many rows it removed, up to the limit */
async function deleteAll(remove: (limit: number) => Promise<number>): Promise<void> {
  await inBatches(async (limit) => (await remove(limit)) === limit);
}
