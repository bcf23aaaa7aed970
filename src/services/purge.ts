import { setImmediate } from "node:timers/promises";
import type { Database } from "../storage/database.js";
import { listDeletedUserIds, purgeDeletedUser } from "../storage/user-deletion.js";
import type { Job } from "./jobs.js";

/** Rows a statement: SQLite runs it on the thread that answers requests. */
const BATCH = 200;

/** Removes what deleted accounts left behind: any number of items, sessions and refresh tokens. */
export function purge({ db }: { db: Database }): Job {
  return {
    name: "purge",
    interval: 0,
    async run() {
      for (;;) {
        const ids = await listDeletedUserIds(db, BATCH);
        for (const id of ids) while (!(await purgeDeletedUser(db, id, BATCH))) await setImmediate();
        if (ids.length < BATCH) return;
      }
    },
  };
}
