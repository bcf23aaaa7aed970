import type { Migration } from "kysely/migration";
import * as m0001 from "./migrations/0001_users_sessions_items_keys.js";
import * as m0002 from "./migrations/0002_refresh_tokens_audit_jobs.js";
import * as m0003 from "./migrations/0003_one_time_tokens_outbox.js";
import * as m0004 from "./migrations/0004_attempts.js";
import * as m0005 from "./migrations/0005_deleted_users.js";
import * as m0006 from "./migrations/0006_token_lifetime_of_keys.js";
import * as m0007 from "./migrations/0007_refresh_token_families_indexes.js";
import * as m0009 from "./migrations/0009_live_sessions.js";
import * as m0010 from "./migrations/0010_outbox_facts.js";
import * as m0011 from "./migrations/0011_networks.js";
import * as m0012 from "./migrations/0012_refresh_tokens_in_sessions.js";

/**
 * The schema's history, oldest first. Append only: a migration that has been released never changes.
 * `bigint` is an integer to SQLite, so that one list serves both databases.
 */
export const migrations: Record<string, Migration> = {
  "0001_users_sessions_items_keys": m0001,
  "0002_refresh_tokens_audit_jobs": m0002,
  "0003_one_time_tokens_outbox": m0003,
  "0004_attempts": m0004,
  "0005_deleted_users": m0005,
  "0006_token_lifetime_of_keys": m0006,
  "0007_refresh_token_families_indexes": m0007,
  "0009_live_sessions": m0009,
  "0010_outbox_facts": m0010,
  "0011_networks": m0011,
  "0012_refresh_tokens_in_sessions": m0012,
};
