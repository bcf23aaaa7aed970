import type { Database } from "./database.js";
import { toUser, type User } from "./users.js";

/** One sign-in of a user, named by the `sid` of its access tokens. */
export interface Session {
  id: string;
  userId: string;
  createdAt: number;
  endedAt: number | null;
}

export async function insertSession(db: Database, session: Session): Promise<void> {
  await db
    .insertInto("sessions")
    .values({
      id: session.id,
      user_id: session.userId,
      created_at: session.createdAt,
      ended_at: session.endedAt,
    })
    .execute();
}

/** The session and its user in one query: this runs on every authenticated request. */
export async function findSessionWithUser(
  db: Database,
  id: string,
): Promise<{ session: Session; user: User } | undefined> {
  const row = await db
    .selectFrom("sessions")
    .innerJoin("users", "users.id", "sessions.user_id")
    .selectAll("users")
    .select(["sessions.created_at as session_created_at", "sessions.ended_at as session_ended_at"])
    .where("sessions.id", "=", id)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const session = { id, userId: row.id, createdAt: row.session_created_at, endedAt: row.session_ended_at };
  return { session, user: toUser(row) };
}

/** Ends every session of the user that has not ended yet. */
export async function endSessionsOf(db: Database, userId: string, now: number): Promise<void> {
  await db
    .updateTable("sessions")
    .set({ ended_at: now })
    .where("user_id", "=", userId)
    .where("ended_at", "is", null)
    .execute();
}
