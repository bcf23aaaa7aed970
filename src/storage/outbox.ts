import type { Selectable } from "kysely";
import type { Database } from "./database.js";
import type { OutboxRow } from "./tables.js";

/** An email to be sent: what it is about, not yet what it says. */
export interface OutboxEmail {
  id: string;
  kind: string;
  email: string;
  userId: string | null;
  /** What happened, as it was then. */
  facts: Record<string, string>;
  createdAt: number;
  nextAttemptAt: number;
  /** How often sending it was begun. */
  attempts: number;
}

function toOutboxEmail(row: Selectable<OutboxRow>): OutboxEmail {
  return {
    id: row.id,
    kind: row.kind,
    email: row.email,
    userId: row.user_id,
    facts: JSON.parse(row.facts) as Record<string, string>,
    createdAt: row.created_at,
    nextAttemptAt: row.next_attempt_at,
    attempts: row.attempts,
  };
}

export async function insertOutboxEmail(db: Database, message: OutboxEmail): Promise<void> {
  await db
    .insertInto("outbox")
    .values({
      id: message.id,
      kind: message.kind,
      email: message.email,
      user_id: message.userId,
      facts: JSON.stringify(message.facts),
      encrypted_tokens: null,
      created_at: message.createdAt,
      next_attempt_at: message.nextAttemptAt,
      attempts: message.attempts,
    })
    .execute();
}

/** Those to be sent now, the one that has waited longest first. */
export async function listDueOutboxEmails(db: Database, now: number, limit: number): Promise<OutboxEmail[]> {
  const rows = await db
    .selectFrom("outbox")
    .selectAll()
    .where("next_attempt_at", "<=", now)
    .orderBy("next_attempt_at")
    .orderBy("id")
    .limit(limit)
    .execute();
  return rows.map(toOutboxEmail);
}

/** When the next email is to be sent, epoch milliseconds; undefined when there is none at all. */
export async function findNextOutboxAttempt(db: Database): Promise<number | undefined> {
  const row = await db
    .selectFrom("outbox")
    .select("next_attempt_at")
    .orderBy("next_attempt_at")
    .limit(1)
    .executeTakeFirst();
  return row?.next_attempt_at;
}

/**
 * Takes an email that is due, and counts the attempt. Until a time it is then nobody else's.
 * @returns whether it is ours: of any number of callers at once, one gets true
 */
export async function takeOutboxEmail(
  db: Database,
  { id, nextAttemptAt }: OutboxEmail,
  until: number,
): Promise<boolean> {
  const result = await db
    .updateTable("outbox")
    .set((row) => ({ next_attempt_at: until, attempts: row("attempts", "+", 1) }))
    .where("id", "=", id)
    .where("next_attempt_at", "=", nextAttemptAt)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

export async function rescheduleOutboxEmail(db: Database, id: string, nextAttemptAt: number): Promise<void> {
  await db.updateTable("outbox").set({ next_attempt_at: nextAttemptAt }).where("id", "=", id).execute();
}

/**
 * Puts off an email that was taken, and does not count the attempt. It is dropped instead when an earlier one of its kind
 * goes to the address by then: so each request is followed by an email, and no number of requests makes many wait.
 * @param email as it was before it was taken
 * @param perUser whether such emails differ by user
 */
export async function postponeOutboxEmail(
  db: Database,
  { id, kind, email, userId, attempts }: OutboxEmail,
  until: number,
  { perUser }: { perUser: boolean },
): Promise<void> {
  let earlier = db
    .selectFrom("outbox")
    .select("id")
    .where("kind", "=", kind)
    .where("email", "=", email)
    .where("id", "<", id)
    .where("next_attempt_at", "<=", until)
    .limit(1);
  if (perUser) earlier = earlier.where("user_id", "=", userId);
  if ((await earlier.executeTakeFirst()) !== undefined) return deleteOutboxEmail(db, id);
  await db.updateTable("outbox").set({ next_attempt_at: until, attempts }).where("id", "=", id).execute();
}

export async function deleteOutboxEmail(db: Database, id: string): Promise<void> {
  await db.deleteFrom("outbox").where("id", "=", id).execute();
}

/** Whether the email still waits to be sent, and the tokens that an earlier try sent in it. */
export async function findOutboxTokens(
  db: Database,
  id: string,
): Promise<{ encryptedTokens: string | null } | undefined> {
  const row = await db
    .selectFrom("outbox")
    .select("encrypted_tokens")
    .where("id", "=", id)
    .executeTakeFirst();
  return row && { encryptedTokens: row.encrypted_tokens };
}

export async function setOutboxTokens(db: Database, id: string, encryptedTokens: string): Promise<void> {
  await db.updateTable("outbox").set({ encrypted_tokens: encryptedTokens }).where("id", "=", id).execute();
}

/** Kinds of emails that bring a token. */
const KINDS_WITH_TOKEN = [
  "REGISTRATION",
  "EMAIL_VERIFICATION",
  "PASSWORD_RESET",
  "INVITATION",
  "EMAIL_CHANGE",
];

/** Removes the emails that would bring the user a token, and those to reset the password of whoever has the address. */
export async function deletePendingEmails(
  transaction: Database,
  { id, email }: { id: string; email: string },
): Promise<void> {
  await transaction
    .deleteFrom("outbox")
    .where(({ or, and, eb }) =>
      or([
        and([eb("user_id", "=", id), eb("kind", "in", KINDS_WITH_TOKEN)]),
        and([eb("email", "=", email), eb("kind", "=", "PASSWORD_RESET")]),
      ]),
    )
    .execute();
}

/** The most emails that are counted. */
const MOST_COUNTED = 10_000;

/**
 * The emails that wait to be sent: how many (10,000 stands for more), and since when the oldest has, epoch
 * milliseconds; undefined when there is none.
 */
export async function outboxBacklog(
  db: Database,
): Promise<{ waiting: number; oldestAt: number | undefined }> {
  const counted = db.selectFrom("outbox").select("id").limit(MOST_COUNTED).as("counted");
  const { waiting } = await db
    .selectFrom(counted)
    .select(({ fn }) => fn.countAll<number>().as("waiting"))
    .executeTakeFirstOrThrow();
  // Ids are in the order of time.
  const oldest = await db.selectFrom("outbox").select("created_at").orderBy("id").limit(1).executeTakeFirst();
  return { waiting, oldestAt: oldest?.created_at };
}
