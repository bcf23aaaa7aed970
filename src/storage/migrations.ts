import type { Migration } from "kysely/migration";
import { up as m0001 } from "./migrations/0001_users_sessions_items_keys.js";
import { up as m0002 } from "./migrations/0002_refresh_tokens_audit_jobs.js";
import { up as m0003 } from "./migrations/0003_one_time_tokens_outbox.js";
import { up as m0004 } from "./migrations/0004_attempts.js";
import { up as m0005 } from "./migrations/0005_deleted_users.js";
import { up as m0006 } from "./migrations/0006_token_lifetime_of_keys.js";
import { up as m0007 } from "./migrations/0007_refresh_token_families_indexes.js";
import { up as m0009 } from "./migrations/0009_live_sessions.js";
import { up as m0010 } from "./migrations/0010_outbox_facts.js";
import { up as m0011 } from "./migrations/0011_networks.js";
import { up as m0012 } from "./migrations/0012_refresh_tokens_in_sessions.js";
import { up as m0013 } from "./migrations/0013_authentication_of_sessions.js";
import { up as m0014 } from "./migrations/0014_second_factors.js";

/**
 * The schema's history, oldest first. Append only: a migration that has been released never changes.
 * `bigint` is an integer to SQLite, so that one list serves both databases.
 */
export const migrations: Record<string, Migration> = {
  "0001_users_sessions_items_keys": { up: m0001 },
  "0002_refresh_tokens_audit_jobs": { up: m0002 },
  "0003_one_time_tokens_outbox": { up: m0003 },
  "0004_attempts": { up: m0004 },
  "0005_deleted_users": { up: m0005 },
  "0006_token_lifetime_of_keys": { up: m0006 },
  "0007_refresh_token_families_indexes": { up: m0007 },
  "0009_live_sessions": { up: m0009 },
  "0010_outbox_facts": { up: m0010 },
  "0011_networks": { up: m0011 },
  "0012_refresh_tokens_in_sessions": { up: m0012 },
  "0013_authentication_of_sessions": { up: m0013 },
  "0014_second_factors": { up: m0014 },
};
