import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { ApolloClient, HttpLink, InMemoryCache } from "@apollo/client";
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { fetchExchange, Client as UrqlClient } from "@urql/core";
import Database from "better-sqlite3";
import { print } from "graphql";
import { GraphQLClient } from "graphql-request";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { type Answer, PASSWORD } from "./support/app.js";
import { emptyDatabaseUrl } from "./support/databases.js";
import { LOGIN, ME, MY_ITEMS } from "./support/operations.js";
import { type Program, runCli, startBuilt, startProgram } from "./support/program.js";

/** As the README's reader has it: the tests' own settings of NODE_ENV and the rest taken back. */
const AS_IT_COMES = {
  NODE_ENV: undefined,
  SECRET_KEY: undefined,
  PUBLIC_URL: undefined,
  BCRYPT_COST: undefined,
  PORT: "0",
};

const NO_SMTP = "SMTP_URL is not set: no email is sent, so nobody can be invited or reset a password";
const READY = /^Latchkey is ready at (http:\/\/\S+)\/graphql$/m;
const LISTENING = /"msg":"Server listening at (http:[^"]+)"/;
const CREDENTIALS = /^ {2}username: (\S+)\n {2}password: (\S+)$/m;

interface Credentials {
  username: string;
  password: string;
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

async function post<Data, Variables>(
  address: string,
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  headers: Record<string, string> = {},
): Promise<Pick<Answer<Data>, "status" | "data" | "errors">> {
  const response = await fetch(`${address}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ query: print(document), variables }),
  });
  return { ...((await response.json()) as Answer<Data>), status: response.status };
}

async function login(address: string, credentials: Credentials): Promise<string> {
  return (await post(address, LOGIN, credentials)).data!.login.accessToken;
}

/** Each client's own way to log in, to read as the user, and to hear why it may not. */
const CLIENTS = {
  async "Apollo Client"(address: string, credentials: Credentials) {
    const link = new HttpLink({ uri: `${address}/graphql` });
    const client = new ApolloClient({ link, cache: new InMemoryCache() });
    const login = await client.mutate({ mutation: LOGIN, variables: credentials });
    const context = { headers: bearer(login.data!.login.accessToken) };
    const me = await client.query({ query: ME, context });
    const items = await client.query({ query: MY_ITEMS, variables: { first: 10 }, context });
    await client.clearStore();
    const refusal = await client
      .query({ query: ME, context: { headers: bearer("garbage") } })
      .catch((error) => error);
    return { me: me.data!.me, items: items.data!.myItems, errors: refusal.errors };
  },

  async urql(address: string, credentials: Credentials) {
    const client = new UrqlClient({
      url: `${address}/graphql`,
      exchanges: [fetchExchange],
      preferGetMethod: false,
    });
    const login = await client.mutation(LOGIN, credentials);
    const context = { fetchOptions: { headers: bearer(login.data!.login.accessToken) } };
    const me = await client.query(ME, {}, context);
    const items = await client.query(MY_ITEMS, { first: 10 }, context);
    const refusal = await client.query(ME, {}, { fetchOptions: { headers: bearer("garbage") } });
    return { me: me.data!.me, items: items.data!.myItems, errors: refusal.error!.graphQLErrors };
  },

  async "graphql-request"(address: string, credentials: Credentials) {
    const client = new GraphQLClient(`${address}/graphql`);
    const { login } = await client.request(LOGIN, { ...credentials });
    const headers = bearer(login.accessToken);
    const { me } = await client.request(ME, {}, headers);
    const { myItems } = await client.request(MY_ITEMS, { first: 10 }, headers);
    const refusal = await client.request(ME, {}, bearer("garbage")).catch((error) => error);
    return { me, items: myItems, errors: refusal.response.errors };
  },

  async fetch(address: string, credentials: Credentials) {
    const headers = bearer(await login(address, credentials));
    const me = await post(address, ME, {}, headers);
    const items = await post(address, MY_ITEMS, { first: 10 }, headers);
    const refusal = await post(address, ME, {}, bearer("garbage"));
    return { me: me.data!.me, items: items.data!.myItems, errors: refusal.errors };
  },
};

function fileUrl(): { databaseUrl: string; file: string } {
  const file = join(mkdtempSync(join(tmpdir(), "latchkey-")), "latchkey.db");
  return { databaseUrl: `sqlite:${file}`, file };
}

async function stop({ child, ended }: Program): Promise<number | null> {
  child.kill("SIGTERM");
  return (await ended).code;
}

const servers: Program[] = [];
afterAll(() => {
  for (const { child } of servers) child.kill("SIGTERM");
});

function startServer(env: NodeJS.ProcessEnv): Program {
  const program = startBuilt("main", [], { env: { PORT: "0", ...env } });
  servers.push(program);
  return program;
}

describe("the README's `npm start`", () => {
  const { databaseUrl } = fileUrl();
  const env = { ...AS_IT_COMES, DATABASE_URL: databaseUrl };
  let npm: Program;
  let address: string;
  let credentials: Credentials;
  beforeAll(async () => {
    npm = startProgram("npm", ["start"], { env, detached: true });
    servers.push(npm);
    [, address = ""] = await npm.printed(READY);
    const [, username = "", password = ""] = await npm.printed(CREDENTIALS);
    credentials = { username, password };
  });

  test.each(Object.entries(CLIENTS))("%s logs in with what it printed", async (_name, drive) => {
    const { me, items, errors } = await drive(address, credentials);
    expect(me).toMatchObject({ username: "johndoe", email: "johndoe@example.com", fullName: "John Doe" });
    expect(items).toMatchObject([
      { title: "Foo", description: "The first item of John Doe", owner: { username: "johndoe" } },
      { title: "Bar", description: null, owner: { username: "johndoe" } },
    ]);
    expect(errors).toMatchObject([{ extensions: { code: "UNAUTHENTICATED", reason: "INVALID_TOKEN" } }]);
  });

  test("feels at once that an operator disabled the user", async () => {
    const token = await login(address, credentials);
    expect((await post(address, ME, {}, bearer(token))).status).toBe(200);
    const { code, stderr } = await runCli(["user", "disable", "johndoe"], { env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const { status, errors } = await post(address, ME, {}, bearer(token));
    expect(status).toBe(401);
    expect(errors?.[0]?.extensions).toEqual({ code: "UNAUTHENTICATED", reason: "ACCOUNT_DISABLED" });
    await runCli(["user", "enable", "johndoe"], { env });
  });

  test("finishes what is in flight on SIGTERM and leaves no process", async () => {
    // It has the head of the request when it asks for the body.
    const headers = { "content-type": "application/json", expect: "100-continue" };
    const sent = request(`${address}/graphql`, { method: "POST", headers });
    sent.flushHeaders();
    await once(sent, "continue");
    const answer = once(sent, "response");
    sent.end(JSON.stringify({ query: print(LOGIN), variables: credentials }));
    const signalled = performance.now();
    expect(await stop(npm)).toBe(0);
    expect(performance.now() - signalled).toBeLessThan(8_000);
    const [response] = (await answer) as [IncomingMessage];
    let text = "";
    for await (const chunk of response) text += chunk;
    expect([response.statusCode, JSON.parse(text).data?.login.user.username]).toEqual([200, "johndoe"]);
    // The process group, which every process under npm is in, is gone.
    expect(() => process.kill(-npm.child.pid!, 0)).toThrow("ESRCH");
    await expect(fetch(`${address}/healthz`)).rejects.toThrow();
  });

  test("prints the credentials once only, and they last", async () => {
    const again = startServer(env);
    const [, address = ""] = await again.printed(READY);
    expect(again.stdout()).not.toMatch(/password|johndoe/);
    await login(address, credentials);
    expect(await stop(again)).toBe(0);
  });
});

test("a signal while the first account is being made stops it in order", async () => {
  const server = startServer({ ...AS_IT_COMES, DATABASE_URL: fileUrl().databaseUrl });
  const [, address] = await server.printed(/Server listening at (http:\S+)/);
  await fetch(`${address}/healthz`);
  server.child.kill("SIGTERM");
  const { code, stdout, stderr } = await server.ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(CREDENTIALS);
});

test("three processes that start at once on one empty PostgreSQL are one service", async () => {
  const env = {
    NODE_ENV: "development",
    DATABASE_URL: await emptyDatabaseUrl("postgres"),
    PUBLIC_URL: "https://auth.example.com",
  };
  const three = [startServer(env), startServer(env), startServer(env)];
  const addresses = await Promise.all(three.map(async (server) => (await server.printed(READY))[1]!));
  const printed = three.flatMap((server) => CREDENTIALS.exec(server.stdout()) ?? []);
  expect(printed).toHaveLength(3);
  const [, username, password] = printed as [string, string, string];

  const tokens = await Promise.all(addresses.map((address) => login(address, { username, password })));
  for (const address of addresses) {
    for (const token of tokens) {
      expect((await post(address, MY_ITEMS, { first: 10 }, bearer(token))).data?.myItems).toHaveLength(2);
    }
  }
  expect(await Promise.all(three.map(stop))).toEqual([0, 0, 0]);
});

describe.each(["ES256", "EdDSA"])("in production, with %s", (ALGORITHM) => {
  const { databaseUrl, file } = fileUrl();
  const env = { ALGORITHM, DATABASE_URL: databaseUrl, PUBLIC_URL: "https://auth.example.com/" };
  const credentials = { username: "alice", password: PASSWORD };
  let server: Program;
  let address: string;
  beforeAll(async () => {
    server = startServer(env);
    [, address = ""] = await server.printed(LISTENING);
  });

  test("creates nobody, and knows no account of development's or of habit (row 21)", async () => {
    expect(await runCli(["user", "list"], { env })).toEqual({ code: 0, stdout: "", stderr: "" });
    for (const [username, password] of [
      ["johndoe", "secret"],
      ["admin", "admin"],
      ["root", "root"],
    ] as const) {
      const { errors } = await post(address, LOGIN, { username, password });
      expect(errors?.[0]?.extensions).toEqual({ code: "INVALID_CREDENTIALS" });
    }
    const create = ["user", "create", "alice", "--email", "alice@example.com"];
    expect((await runCli(create, { env, input: PASSWORD })).code).toBe(0);
  });

  test("issues tokens that others verify with its key set alone", async () => {
    const token = await login(address, credentials);
    const keys = createRemoteJWKSet(new URL(`${address}/.well-known/jwks.json`));
    const { payload, protectedHeader } = await jwtVerify(token, keys, {
      algorithms: [ALGORITHM],
      issuer: "https://auth.example.com",
      audience: "latchkey",
      typ: "at+jwt",
      requiredClaims: ["sub", "exp"],
    });
    expect(protectedHeader.alg).toBe(ALGORITHM);
    expect(payload).toMatchObject({ roles: ["USER"] });
    const [header, claims, signature] = token.split(".");
    const forged = `${header}.${claims}.${signature!.split("").reverse().join("")}`;
    await expect(jwtVerify(forged, keys)).rejects.toThrow("signature verification failed");
  });

  test("logs one line of JSON for each request, with its id and no secret in any", async () => {
    // What the test before asked for last may still be on its way through the pipe.
    await server.printed(/jwks\.json"[^\n]*\n/);
    const before = server.stdout().length;
    const token = await login(address, credentials);
    expect((await post(address, LOGIN, { ...credentials, username: "nobody" })).status).toBe(401);
    expect((await post(address, ME, {}, bearer(token))).status).toBe(200);
    expect((await post(address, ME, {}, bearer(`${token}x`))).status).toBe(401);
    await fetch(`${address}/graphql?access_token=${token}`);
    await fetch(`${address}/token`, { method: "POST", body: new URLSearchParams({ token, ...credentials }) });
    await fetch(`${address}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: `{ "password": "${PASSWORD}`,
    });
    await setTimeout(200);
    const text = server.stdout().slice(before);
    const lines = text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.filter(({ msg }) => msg === "request")).toHaveLength(7);
    expect(lines.filter(({ reqId }) => !/^[0-9a-f-]{36}$/.test(reqId))).toEqual([]);
    expect(new Set(lines.map(({ reqId }) => reqId)).size).toBe(7);
    const [, claims = "", signature = ""] = token.split(".");
    for (const secret of [PASSWORD, claims, signature]) expect(text).not.toContain(secret);
  });

  test("stops with 0, and starts with no other SECRET_KEY than the one it had", async () => {
    expect(await stop(server)).toBe(0);
    const before = contentOf(file);
    expect(before).toContain("alice@example.com");
    const other = await startServer({ ...env, SECRET_KEY: "CANARY, but not the one it had before" }).ended;
    expect(other.code).toBe(1);
    expect(other.stdout).toBe("");
    expect(other.stderr).toMatch(/^latchkey: SECRET_KEY is not the one [^\n]*\n$/);
    expect(contentOf(file)).toBe(before);

    const again = startServer(env);
    const [, address = ""] = await again.printed(LISTENING);
    await login(address, credentials);
    expect(await stop(again)).toBe(0);
  });
});

/** All rows of all tables of a SQLite database. */
function contentOf(file: string): string {
  const db = new Database(file, { readonly: true });
  const tables = db.prepare("select name, sql from sqlite_schema where type = 'table' order by name").all();
  const rows = (tables as { name: string }[]).map(({ name }) => db.prepare(`select * from "${name}"`).all());
  db.close();
  return JSON.stringify([tables, rows]);
}

test("a misspelled variable is told of at the start, by the server and by a command, without its value", async () => {
  const cwd = mkdtempSync(join(tmpdir(), "latchkey-"));
  writeFileSync(join(cwd, ".env"), "CORS_ORIGIN=CANARY\n");
  const env = { DATABASE_URL: fileUrl().databaseUrl, PORT: "0", ACCESS_TOKEN_EXPIRE_MINUTS: "CANARY" };
  const doubts = [
    "ACCESS_TOKEN_EXPIRE_MINUTS is set, but Latchkey does not read it: did you mean ACCESS_TOKEN_EXPIRE_MINUTES?",
    "CORS_ORIGIN is set, but Latchkey does not read it: did you mean CORS_ORIGINS?",
  ];
  const server = startBuilt("main", [], { cwd, env });
  servers.push(server);
  await server.printed(LISTENING);
  expect(await stop(server)).toBe(0);
  const lines = server
    .stdout()
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines.filter(({ level }) => level === 40).map(({ msg }) => msg)).toEqual([...doubts, NO_SMTP]);
  const { code, stderr } = await runCli(["user", "list"], { cwd, env });
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: doubts.map((doubt) => `latchkey: ${doubt}\n`).join(""),
  });
});

const CUT_SHORT =
  /^\S+\/secret\.key must hold 32 bytes or more: restore it, or set SECRET_KEY, or delete the file to have a new key made$/;

/** As for development, where the key is kept in a file with this content. */
function besideSecretKey(content: string): NodeJS.ProcessEnv {
  const { databaseUrl, file } = fileUrl();
  writeFileSync(join(dirname(file), "secret.key"), content);
  return { ...AS_IT_COMES, DATABASE_URL: databaseUrl };
}

describe("a wrong configuration ends the start with one line that names the variable", () => {
  // Takes connections, and never answers.
  const silent = createServer();
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
    ["an empty secret.key", () => besideSecretKey(""), CUT_SHORT],
    ["a secret.key that is cut short", () => besideSecretKey(`${"CANARY".repeat(5)}C\n`), CUT_SHORT],
    ["a secret.key of nothing but space", () => besideSecretKey(" ".repeat(64)), CUT_SHORT],
    ["PORT", () => ({ PORT: "4000x" }), /^PORT must be a whole number from 0 to 65535$/],
    [
      "DATABASE_URL",
      () => ({ DATABASE_URL: "mysql://root:CANARY@localhost/db" }),
      /^DATABASE_URL must be sqlite:PATH or postgres:\/\/USER:PASSWORD@HOST:PORT\/DATABASE$/,
    ],
    [
      "a PostgreSQL that is not there",
      () => ({ DATABASE_URL: "postgres://latchkey:CANARY@127.0.0.1:1/db" }),
      /^DATABASE_URL cannot be used: connect ECONNREFUSED 127\.0\.0\.1:1$/,
    ],
    [
      "a PostgreSQL that never answers",
      () => ({ DATABASE_URL: `postgres://latchkey:CANARY@127.0.0.1:${port}/db` }),
      /^DATABASE_URL cannot be used: .*timeout/,
    ],
    [
      "a PostgreSQL that has no such database",
      () => ({ DATABASE_URL: `${process.env["TEST_POSTGRES_URL"]}/nonesuch` }),
      /^DATABASE_URL cannot be used: database "nonesuch" does not exist$/,
    ],
    [
      "a file that is no database",
      () => ({ DATABASE_URL: `sqlite:${resolve("package.json")}` }),
      /^DATABASE_URL cannot be used: file is not a database$/,
    ],
    [
      "a manifest that is not there",
      () => ({ PERSISTED_DOCUMENTS: "/nonesuch.json" }),
      /^PERSISTED_DOCUMENTS cannot be used: ENOENT: no such file or directory/,
    ],
    [
      "a PORT in use",
      () => ({ HOST: "127.0.0.1", PORT: port }),
      /^HOST and PORT cannot be used: listen EADDRINUSE: address already in use 127\.0\.0\.1:\d+$/,
    ],
  ])("%s", async (_what, env, message) => {
    const { code, stderr } = await startServer({ DATABASE_URL: fileUrl().databaseUrl, ...env() }).ended;
    expect(code).toBe(1);
    const [line = "", ...others] = stderr.split("\n");
    expect(line).toMatch(/^latchkey: /);
    expect(line.slice("latchkey: ".length)).toMatch(message);
    expect(others).toEqual([""]);
  });
});
