import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { App } from "./app.ts";
import { runCli } from "./program.ts";

/** The directory that `file` writes to. */
export const directory = mkdtempSync(join(tmpdir(), "latchkey-"));

/** Writes a file for a command to read. @returns its path */
export function file(name: string, content: string | Buffer): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

/** Returns what runs the operator's commands on a database. */
export function cliOn(databaseUrl: string) {
  return (args: string[], input = "") => runCli(args, { input, env: { DATABASE_URL: databaseUrl } });
}

export async function usernamesOf(app: App): Promise<string[]> {
  const usernames: string[] = [];
  for await (const { username } of app.latchkey.operator.list()) usernames.push(username);
  return usernames;
}
