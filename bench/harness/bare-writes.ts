/**
 * Writes the rows of refreshes, and nothing else, as durably as Latchkey does, one transaction after the other.
 * Usage: bare-writes.ts FILE SECONDS, the file a Latchkey database with sessions. Prints a Sample as JSON.
 */
import { randomBytes } from "node:crypto";
import SQLite from "better-sqlite3";

const [file = "", seconds = ""] = process.argv.slice(2);
const database = new SQLite(file);
database.pragma("journal_mode = WAL");
database.pragma("synchronous = FULL");
database.pragma("foreign_keys = ON");

const live = database
  .prepare<[], { id: string; hash: string }>(
    "select id, refresh_token_hash as hash from sessions where ended_at is null",
  )
  .all();
const refresh = database.prepare(
  `update sessions set refresh_token_hash = ?, consumed_refresh_tokens = ?, last_used_at = ?, expires_at = ?
   where id = ? and refresh_token_hash = ? and ended_at is null`,
);

const LIFETIME = 14 * 24 * 3_600_000;
/** As many consumed tokens as a session keeps that is refreshed all the time. */
const CONSUMED = 10;

let count = 0;
const startedAt = performance.now();
const end = startedAt + Number(seconds) * 1000;
const cpuBefore = process.cpuUsage();
while (performance.now() < end) {
  const session = live[count++ % live.length]!;
  const successor = randomBytes(32).toString("base64url");
  const now = Date.now();
  const consumed = Array.from({ length: CONSUMED }, () => ({
    tokenHash: session.hash,
    usedAt: now,
    // As long as the encrypted successor is.
    encryptedSuccessor: randomBytes(72).toString("base64url"),
  }));
  refresh.run(successor, JSON.stringify(consumed), now, now + LIFETIME, session.id, session.hash);
  session.hash = successor;
}
const { user, system } = process.cpuUsage(cpuBefore);
const elapsed = (performance.now() - startedAt) / 1000;
console.log(JSON.stringify({ rate: count / elapsed, cpu: (user + system) / count }));
