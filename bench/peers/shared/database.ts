import SQLite from "better-sqlite3";
import { Kysely, SqliteDialect } from "kysely";
import { DATABASE_FILE } from "./settings.ts";

interface Tables {
  users: {
    id: string;
    username: string;
    email: string;
    full_name: string | null;
    disabled_at: number | null;
  };
  sessions: { id: string; user_id: string; ended_at: number | null; expires_at: number };
  items: { id: string; owner_id: string; title: string; description: string | null };
}

export interface UserRow {
  id: string;
  username: string;
  email: string;
  fullName: string | null;
}

export interface ItemRow {
  id: string;
  title: string;
  description: string | null;
}

export const sqlite = new SQLite(DATABASE_FILE);
sqlite.pragma("journal_mode = WAL");

const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: sqlite }) });

/** The query that finds a live session's user; undefined as a result when there is none. */
export function userOfSession(sessionId: string, now: number) {
  return db
    .selectFrom("sessions")
    .innerJoin("users", "users.id", "sessions.user_id")
    .select(["users.id", "users.username", "users.email", "users.full_name as fullName"])
    .where("sessions.id", "=", sessionId)
    .where("sessions.ended_at", "is", null)
    .where("sessions.expires_at", ">", now)
    .where("users.disabled_at", "is", null);
}

/** The user's oldest items. */
export async function listItems(ownerId: string, first: number): Promise<ItemRow[]> {
  return db
    .selectFrom("items")
    .select(["id", "title", "description"])
    .where("owner_id", "=", ownerId)
    .orderBy("id")
    .limit(first)
    .execute();
}
