import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import bcrypt from "bcrypt";
import SQLite from "better-sqlite3";
import { graphqlRequest, sendGraphQL } from "./http.ts";
import { type ServerProcess, startServerProcess } from "./processes.ts";
import type { Scope } from "./scope.ts";

/** Everybody's. */
export const PASSWORD = "five wholly unrelated words here";

const LOGIN = `mutation ($username: String!, $password: String!) {
  login(username: $username, password: $password) { accessToken refreshToken }
}`;

export interface LatchkeyOptions {
  /** The build to start; this checkout's by default. */
  dist?: string | undefined;
  /** A PostgreSQL database; by default a SQLite file of its own. */
  databaseUrl?: string;
  /** How many users there are besides `johndoe`: `user0`, `user1`, …, at example.com. */
  users?: number;
  /** The cost of the users' password hashes. */
  cost?: number;
  cores?: string;
  /** Flags for Node. */
  flags?: string[];
  env?: NodeJS.ProcessEnv;
}

export interface Latchkey extends ServerProcess {
  /** The URL of /graphql. */
  url: string;
  /** The SQLite file, unless it runs on PostgreSQL. */
  file: string;
}

/** Starts a build of Latchkey in production mode with default settings, over a database of its own with users in it. */
export async function startLatchkey(
  scope: Scope,
  {
    dist = resolve("dist"),
    databaseUrl,
    users = 0,
    cost = 12,
    cores,
    flags = [],
    env = {},
  }: LatchkeyOptions = {},
): Promise<Latchkey> {
  const cwd = scope.directory();
  const file = join(cwd, "latchkey.db");
  const settings = {
    NODE_ENV: "production",
    DATABASE_URL: databaseUrl ?? `sqlite:${file}`,
    SECRET_KEY: "the secret key of the benchmarks",
    HOST: "127.0.0.1",
    PUBLIC_URL: "http://127.0.0.1",
    SHUTDOWN_DELAY_SECONDS: "0",
    ...env,
  };
  const hash = bcrypt.hashSync(PASSWORD, cost);
  const names = ["johndoe", ...Array.from({ length: users }, (_, n) => `user${n}`)];
  const list = join(cwd, "users.jsonl");
  const lines = names.map((username) =>
    JSON.stringify({
      username,
      email: `${username}@example.com`,
      full_name: "John Doe",
      password_hash: hash,
    }),
  );
  writeFileSync(list, lines.join("\n"));
  execFileSync(process.execPath, [join(dist, "cli.js"), "user", "import", list], {
    cwd,
    env: settings,
    stdio: "pipe",
  });
  const command = { command: process.execPath, args: [...flags, join(dist, "main.js")], env: settings, cwd };
  const server = await startServerProcess(scope, { ...command, cores }, "/readyz");
  return { ...server, url: `${server.origin}/graphql`, file };
}

export interface Login {
  code: string;
  accessToken: string;
  refreshToken: string;
}

/** @param from the client's address, for a server that trusts its proxy */
export async function login(url: string, username: string, password: string, from?: string): Promise<Login> {
  const headers = from === undefined ? {} : { "x-forwarded-for": from };
  const request = graphqlRequest(url, LOGIN, { variables: { username, password }, headers });
  const { code, data } = await sendGraphQL(request);
  const token = (data["login"] ?? {}) as { accessToken?: string; refreshToken?: string };
  return { code, accessToken: token.accessToken ?? "", refreshToken: token.refreshToken ?? "" };
}

/** Signs the user in. @throws when that fails */
export async function signIn(url: string, username = "johndoe", from?: string): Promise<Login> {
  const result = await login(url, username, PASSWORD, from);
  if (result.code !== "OK") throw new Error(`login of ${username}: ${result.code}`);
  return result;
}

/** Copies a SQLite database that is in use. @returns the copy's file */
export function copyDatabase(scope: Scope, from: string): string {
  const file = join(scope.directory(), "copy.db");
  const source = new SQLite(from);
  source.prepare("vacuum into ?").run(file);
  source.close();
  return file;
}
