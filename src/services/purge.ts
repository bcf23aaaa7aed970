import type { Database } from "../storage/database.js";
import { listDeletedUserIds, purgeDeletedUser } from "../storage/user-deletion.js";
import { inBatches } from "./batches.js";
import type { Job } from "./jobs.js";

/** Removes what deleted accounts left behind: any number of items and sessions. */
export function purge({ db }: { db: Database }): Job {
  return {
    name: "purge",
    interval: 0,
    run: () =>
      inBatches(async (limit) => {
        const ids = await listDeletedUserIds(db, limit);
        for (const id of ids) await inBatches(async (limit) => !(await purgeDeletedUser(db, id, limit)));
        return ids.length === limit;
      }),
  };
}
