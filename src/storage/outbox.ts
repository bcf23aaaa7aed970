import type { Selectable } from "kysely";
import type { Database } from "./database.js";
import { PreparedQuery } from "./prepared-query.js";
import type { OutboxRow } from "./tables.js";

/** An email to be sent: what it is about, without its text. */
export interface OutboxEmail {
  id: string;
  kind: string;
  email: string;
  userId: string | null;
  /** What the email reports, such as a username, as of then. */
  facts: Record<string, string>;
  createdAt: number;
  nextAttemptAt: number;
  /** How many attempts to send it were started. */
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

const insert = new PreparedQuery((db, message: Omit<OutboxEmail, "facts"> & { facts: string }) =>
  db.insertInto("outbox").values({
    id: message.id,
    kind: message.kind,
    email: message.email,
    user_id: message.userId,
    facts: message.facts,
    encrypted_tokens: null,
    created_at: message.createdAt,
    next_attempt_at: message.nextAttemptAt,
    attempts: message.attempts,
  }),
);

export async function insertOutboxEmail(db: Database, message: OutboxEmail): Promise<void> {
  await insert.run(db, { ...message, facts: JSON.stringify(message.facts) });
}

/** The emails that are due, longest overdue first. */
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

/** When the next email is due, epoch milliseconds; undefined when the outbox is empty. */
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
 * Claims an email that is due, and counts the attempt. Nobody else can claim it until the lease ends.
 * @param until the end of the lease, epoch milliseconds
 * @returns whether the caller has the claim: of any number of concurrent callers, one does
 */
export async function claimOutboxEmail(
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
 * Postpones a claimed email, and does not count the attempt. It is dropped instead when an earlier one of its kind is due
 * at the address by then: an email still follows every request, and however many requests there are, few wait.
 * @param email as it was before it was claimed
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

/** The tokens that an earlier attempt sent, encrypted; undefined when the email is not in the outbox any more. */
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

/** The kinds of email that bring a token for the user they are stored with. */
const KINDS_WITH_TOKEN = ["INVITATION", "EMAIL_CHANGE"];

/** Deletes the emails that would bring the user a token, and those to reset the password of the address's owner. */
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

/** Counting stops here. */
const MOST_COUNTED = 10_000;

/**
 * The emails that wait to be sent: how many (10,000 means at least that many), and when the oldest was stored, epoch
 * milliseconds; undefined when there are none.
 */
export async function outboxBacklog(
  db: Database,
): Promise<{ waiting: number; oldestAt: number | undefined }> {
  const counted = db.selectFrom("outbox").select("id").limit(MOST_COUNTED).as("counted");
  const { waiting } = await db
    .selectFrom(counted)
    .select(({ fn }) => fn.countAll<number>().as("waiting"))
    .executeTakeFirstOrThrow();
  // Ids are in chronological order.
  const oldest = await db.selectFrom("outbox").select("created_at").orderBy("id").limit(1).executeTakeFirst();
  return { waiting, oldestAt: oldest?.created_at };
}
