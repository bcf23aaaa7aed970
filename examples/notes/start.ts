import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

// Starts Latchkey, the service of notes and the app, and stops them together.

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

const { PATH, APP_PORT = "3000", LATCHKEY_PORT = "4000", NOTES_PORT = "4001" } = process.env;
/** The directory of what they write. */
const DATA = resolve(process.env["DATA"] ?? path("data"));
const app = `http://localhost:${APP_PORT}`;
const latchkey = `http://localhost:${LATCHKEY_PORT}`;
const notes = `http://localhost:${NOTES_PORT}`;

const main = path("../../dist/main.js");
const cli = path("../../dist/cli.js");
const vite = fileURLToPath(new URL("bin/vite.js", import.meta.resolve("vite/package.json")));

const settings = {
  PATH,
  DATABASE_URL: `sqlite:${join(DATA, "latchkey.db")}`,
  PORT: LATCHKEY_PORT,
  APP_URL: app,
  CORS_ORIGINS: app,
  SERVICE_NAME: "Notebook",
  LOG_LEVEL: "warn",
};

const children = new Map<string, ChildProcess>();
let stopping = false;

/** Starts one of the programs. When it ends by itself, all end. */
function start(name: string, args: string[], env: NodeJS.ProcessEnv): void {
  if (stopping) return;
  const log = join(DATA, `${name}.log`);
  const output = openSync(log, "w");
  const child = spawn(process.execPath, args, { cwd: path("."), env, stdio: ["ignore", output, output] });
  children.set(name, child);
  child.once("exit", () => {
    children.delete(name);
    if (!stopping)
      fail(`${name} has ended:\n\n${readFileSync(log, "utf8").split("\n").slice(-20).join("\n")}`);
  });
}

function stop(): void {
  stopping = true;
  for (const child of children.values()) child.kill("SIGTERM");
  setTimeout(() => {
    for (const child of children.values()) child.kill("SIGKILL");
  }, 10_000).unref();
}

function fail(message: string): void {
  console.error(`\n${message}`);
  process.exitCode = 1;
  stop();
}

/** Creates the administrator, once, whose password is kept in a file. @returns the password */
function administrator(): string {
  const file = join(DATA, "password.txt");
  if (!existsSync(file)) {
    const password = randomBytes(15).toString("base64url");
    const args = [cli, "user", "create", "alice", "--email", "alice@example.com", "--admin"];
    const { status, stderr } = spawnSync(process.execPath, args, {
      cwd: path("."),
      env: settings,
      input: password,
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`${stderr}Delete ${DATA} to start over.`);
    writeFileSync(file, password, { mode: 0o600 });
  }
  return readFileSync(file, "utf8");
}

function isFree(port: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(Number(port), "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** Waits until something answers. */
async function answers(url: string): Promise<void> {
  for (let left = 150; left > 0 && !stopping; left--) {
    if (await fetch(url).catch(() => undefined)) return;
    await delay(200);
  }
  if (!stopping) throw new Error(`${url} does not answer.`);
}

async function run(): Promise<void> {
  for (const [name, port] of Object.entries({ APP_PORT, LATCHKEY_PORT, NOTES_PORT }))
    if (!(await isFree(port)))
      throw new Error(`Port ${port} is in use. Choose another one, such as ${name}=${Number(port) + 100}.`);
  mkdirSync(DATA, { recursive: true });
  const password = administrator();
  start("latchkey", [main], settings);
  start("notes", [path("service/main.ts")], {
    PATH,
    PORT: NOTES_PORT,
    LATCHKEY_URL: latchkey,
    APP_URL: app,
    NOTES_FILE: join(DATA, "notes.db"),
  });
  start("app", [vite], {
    PATH,
    APP_PORT,
    VITE_LATCHKEY_URL: `${latchkey}/graphql`,
    VITE_NOTES_URL: `${notes}/graphql`,
    VITE_EMAILS_URL: `${latchkey}/emails`,
  });
  await Promise.all([`${latchkey}/healthz`, `${notes}/health`, app].map(answers));
  if (stopping) return;
  console.log(`
The example is ready.

  The app             ${app}
  Its emails          ${latchkey}/emails
  Latchkey's API      ${latchkey}/explorer

  An administrator    username alice, password ${password}

What it writes is in ${DATA}: delete it to start over. Ctrl-C stops all of it.`);
}

// npm passes on the signals that the terminal has sent already, so they may come twice.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, stop);
run().catch((error: Error) => fail(error.message));
