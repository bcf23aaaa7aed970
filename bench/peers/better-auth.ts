import { createServer } from "node:http";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import SQLite from "better-sqlite3";
import { DATABASE_FILE, PORT, SECRET } from "./shared/settings.ts";

const database = new SQLite(DATABASE_FILE);
database.pragma("journal_mode = WAL");

const auth = betterAuth({
  baseURL: `http://127.0.0.1:${PORT}`,
  secret: SECRET,
  database,
  emailAndPassword: { enabled: true },
  session: { cookieCache: { enabled: false } },
  // It would refuse the load.
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
});
const { runMigrations } = await getMigrations(auth.options);
await runMigrations();
createServer(toNodeHandler(auth)).listen(PORT, "127.0.0.1");
