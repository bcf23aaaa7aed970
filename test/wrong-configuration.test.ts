import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { newSqliteFile } from "./support/databases.js";
import { LISTENING, runCli, startBuilt, startMain, stop, UNCONFIGURED } from "./support/program.js";

const NO_SMTP = "SMTP_URL is not set: no email is sent, so nobody can be invited or reset a password";
const HTTP = "PUBLIC_URL is not https: browsers drop the cookies that sessions are kept in";

test("the server and a command warn about a misspelled variable, without its value", async () => {
  const cwd = mkdtempSync(join(tmpdir(), "latchkey-"));
  writeFileSync(join(cwd, ".env"), "CORS_ORIGIN=CANARY\n");
  const env = { DATABASE_URL: newSqliteFile().databaseUrl, PORT: "0", ACCESS_TOKEN_EXPIRE_MINUTS: "CANARY" };
  const warnings = [
    "ACCESS_TOKEN_EXPIRE_MINUTS is set, but Latchkey does not read it: did you mean ACCESS_TOKEN_EXPIRE_MINUTES?",
    "CORS_ORIGIN is set, but Latchkey does not read it: did you mean CORS_ORIGINS?",
  ];
  const server = startBuilt("main", [], { cwd, env });
  await server.printed(LISTENING);
  expect(await stop(server)).toBe(0);
  const lines = server
    .stdout()
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines.filter(({ level }) => level === 40).map(({ msg }) => msg)).toEqual([...warnings, NO_SMTP]);
  const { code, stderr } = await runCli(["user", "list"], { cwd, env });
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: warnings.map((warning) => `latchkey: ${warning}\n`).join(""),
  });
});

test.each([
  ["http://auth.example.com", [HTTP]],
  ["http://localhost:4000", []],
])("production at %s says what it lacks", async (url, warnings) => {
  const server = startMain({ PUBLIC_URL: url, DATABASE_URL: newSqliteFile().databaseUrl, PORT: "0" });
  await server.printed(LISTENING);
  expect(await stop(server)).toBe(0);
  const lines = server.stdout().trimEnd().split("\n");
  const warned = lines.map((line) => JSON.parse(line)).filter(({ level }) => level === 40);
  expect(warned.map(({ msg }) => msg)).toEqual([NO_SMTP, ...warnings]);
});

const TRUNCATED =
  /^\S+\/secret\.key must hold 32 bytes or more: restore it, or set SECRET_KEY, or delete the file to have a new key made$/;

/** Development settings, with this content in the file of the key. */
function withKeyFile(content: string): NodeJS.ProcessEnv {
  const { databaseUrl, file } = newSqliteFile();
  writeFileSync(join(dirname(file), "secret.key"), content);
  return { ...UNCONFIGURED, DATABASE_URL: databaseUrl };
}

describe("a wrong configuration stops the start with one line that names the variable", () => {
  // A server that accepts connections and never answers.
  const silent = createServer((socket) => socket.resume());
  let port: string;
  beforeAll(async () => {
    await once(silent.listen(0, "127.0.0.1"), "listening");
    port = String((silent.address() as { port: number }).port);
  });
  afterAll(() => void silent.close());

  test.each<[string, () => NodeJS.ProcessEnv, RegExp]>([
    ["ALGORITHM", () => ({ ALGORITHM: "RS256" }), /^ALGORITHM must be one of ES256, EdDSA, HS256$/],
    ["a short SECRET_KEY", () => ({ SECRET_KEY: "CANARY" }), /^SECRET_KEY must be 32 bytes or more$/],
    [
      "no SECRET_KEY in production",
      () => ({ SECRET_KEY: "" }),
      /^SECRET_KEY must be set in production: 32 bytes/,
    ],
    [
      "no PUBLIC_URL in production",
      () => ({ PUBLIC_URL: "" }),
      /^PUBLIC_URL must be set in production: the URL/,
    ],
    ["an empty secret.key", () => withKeyFile(""), TRUNCATED],
    ["a truncated secret.key", () => withKeyFile(`${"CANARY".repeat(5)}C\n`), TRUNCATED],
    ["a secret.key of only whitespace", () => withKeyFile(" ".repeat(64)), TRUNCATED],
    ["PORT", () => ({ PORT: "4000x" }), /^PORT must be a whole number from 0 to 65535$/],
    [
      "DATABASE_URL",
      () => ({ DATABASE_URL: "mysql://root:CANARY@localhost/db" }),
      /^DATABASE_URL must be sqlite:PATH or postgres:\/\/USER:PASSWORD@HOST:PORT\/DATABASE$/,
    ],
    [
      "a PostgreSQL that does not run",
      () => ({ DATABASE_URL: "postgres://latchkey:CANARY@127.0.0.1:1/db" }),
      /^DATABASE_URL cannot be used: connect ECONNREFUSED 127\.0\.0\.1:1$/,
    ],
    [
      "a PostgreSQL that never answers",
      () => ({ DATABASE_URL: `postgres://latchkey:CANARY@127.0.0.1:${port}/db` }),
      /^DATABASE_URL cannot be used: .*timeout/,
    ],
    [
      "a PostgreSQL without this database",
      () => ({ DATABASE_URL: `${process.env["TEST_POSTGRES_URL"]}/nonesuch` }),
      /^DATABASE_URL cannot be used: database "nonesuch" does not exist$/,
    ],
    [
      "a file that is not a database",
      () => ({ DATABASE_URL: `sqlite:${resolve("package.json")}` }),
      /^DATABASE_URL cannot be used: file is not a database$/,
    ],
    [
      "a manifest that does not exist",
      () => ({ PERSISTED_DOCUMENTS: "/nonesuch.json" }),
      /^PERSISTED_DOCUMENTS cannot be used: ENOENT: no such file or directory/,
    ],
    [
      "a PORT in use",
      () => ({ HOST: "127.0.0.1", PORT: port }),
      /^HOST and PORT cannot be used: listen EADDRINUSE: address already in use 127\.0\.0\.1:\d+$/,
    ],
  ])("%s", async (_what, env, message) => {
    const { code, stderr } = await startMain({ DATABASE_URL: newSqliteFile().databaseUrl, ...env() }).ended;
    expect(code).toBe(1);
    const [line = "", ...others] = stderr.split("\n");
    expect(line).toMatch(/^latchkey: /);
    expect(line.slice("latchkey: ".length)).toMatch(message);
    expect(others).toEqual([""]);
  });

  test("of several wrong settings, each has a line", async () => {
    const { code, stderr } = await startMain({ PORT: "CANARY", ALGORITHM: "CANARY" }).ended;
    expect([code, stderr]).toEqual([
      1,
      "latchkey: PORT must be a whole number from 0 to 65535\nlatchkey: ALGORITHM must be one of ES256, EdDSA, HS256\n",
    ]);
  });
});
