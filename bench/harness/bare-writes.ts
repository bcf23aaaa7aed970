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
  .prepare<[], { token_hash: string; family_hash: string; session_id: string }>(
    "select token_hash, family_hash, session_id from refresh_tokens where used_at is null",
  )
  .all();
const consume = database.prepare(
  "update refresh_tokens set used_at = ?, sealed_successor = ? where token_hash = ? and used_at is null",
);
const insert = database.prepare(
  "insert into refresh_tokens (token_hash, family_hash, session_id, created_at) values (?, ?, ?, ?)",
);
const extend = database.prepare("update sessions set last_used_at = ?, expires_at = ? where id = ?");
const remove = database.prepare("delete from refresh_tokens where session_id = ? and used_at < ?");

const GRACE = 10_000;
const LIFETIME = 14 * 24 * 3_600_000;

const refresh = database.transaction((token: (typeof live)[number], successor: string, sealed: string) => {
  const now = Date.now();
  consume.run(now, sealed, token.token_hash);
  insert.run(successor, token.family_hash, token.session_id, now);
  extend.run(now, now + LIFETIME, token.session_id);
  remove.run(token.session_id, now - GRACE);
});

let count = 0;
const startedAt = performance.now();
const end = startedAt + Number(seconds) * 1000;
const cpuBefore = process.cpuUsage();
while (performance.now() < end) {
  const token = live[count++ % live.length]!;
  const successor = randomBytes(32).toString("base64url");
  // As long as the encrypted successor is.
  refresh.immediate(token, successor, randomBytes(72).toString("base64url"));
  token.token_hash = successor;
}
const { user, system } = process.cpuUsage(cpuBefore);
const elapsed = (performance.now() - startedAt) / 1000;
console.log(JSON.stringify({ rate: count / elapsed, cpu: (user + system) / count }));
