import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import SQLite from "better-sqlite3";
import pg from "pg";

type Run = (sql: string) => Promise<unknown>;

/** A UUID that ends in this number. */
const idOf = (n: string) => `('00000000-0000-7000-8000-' || substr(cast(1000000000000 + ${n} as text), 2))`;

const LIFETIME = 14 * 24 * 3_600_000;

/**
 * Adds users with one session each, by SQL that both databases understand, and a refresh token to some of them.
 * @param count how many users
 * @param tokens how many of their sessions, evenly spread, can be refreshed
 * @returns the refresh tokens
 */
async function fill(run: Run, count: number, tokens: number): Promise<string[]> {
  const now = Date.now();
  const numbers = `with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < ${count})`;
  await run(`${numbers} insert into users (id, username, email, email_verified_at, roles, created_at, updated_at)
    select ${idOf("n")}, 'filler' || n, 'filler' || n || '@example.com', ${now}, '["USER"]', ${now}, ${now} from numbers`);
  await run(`${numbers} insert into sessions
    (id, user_id, created_at, last_used_at, expires_at, absolute_expires_at, refresh_family_hash, refresh_token_hash)
    select ${idOf("n")}, ${idOf("n")}, ${now}, ${now}, ${now + LIFETIME}, ${now + LIFETIME}, 'family' || n, 'token' || n
    from numbers`);
  const { hashRefreshToken } = await import(pathToFileURL(resolve("dist/crypto/refresh-tokens.js")).href);
  const refreshTokens = Array.from({ length: tokens }, () => randomBytes(32).toString("base64url"));
  for (const [k, token] of refreshTokens.entries()) {
    const { tokenHash, familyHash } = hashRefreshToken(token);
    const session = idOf(String(Math.floor((k * count) / tokens) + 1));
    await run(`update sessions set refresh_family_hash = '${familyHash}', refresh_token_hash = '${tokenHash}'
      where id = ${session}`);
  }
  await run("analyze");
  return refreshTokens;
}

export async function fillSqlite(file: string, count: number, tokens: number): Promise<string[]> {
  const database = new SQLite(file);
  try {
    return await fill(async (sql) => database.exec(sql), count, tokens);
  } finally {
    database.close();
  }
}

export async function fillPostgres(url: string, count: number, tokens: number): Promise<string[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return await fill((sql) => client.query(sql), count, tokens);
  } finally {
    await client.end();
  }
}
