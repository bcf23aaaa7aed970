import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { ApolloClient, HttpLink, InMemoryCache } from "@apollo/client";
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { fetchExchange, Client as UrqlClient } from "@urql/core";
import Database from "better-sqlite3";
import { print } from "graphql";
import { GraphQLClient } from "graphql-request";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { type Answer, PASSWORD } from "./support/app.js";
import { emptyDatabaseUrl, newSqliteFile } from "./support/databases.js";
import { LOGIN, ME, MY_ITEMS } from "./support/operations.js";
import {
  LISTENING,
  type Program,
  runCli,
  startBuilt,
  startMain,
  startProgram,
  stop,
  UNCONFIGURED,
} from "./support/program.js";

const READY = /^Latchkey is ready\.\n\n {2}Explorer: {2}(http:\/\/\S+)\/explorer\n {2}API: {7}\1\/graphql$/m;
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

/** How each client logs in, reads as the user, and receives an error. */
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

describe("the README's `npm start`", () => {
  const { databaseUrl } = newSqliteFile();
  const env = { ...UNCONFIGURED, DATABASE_URL: databaseUrl };
  let npm: Program;
  let address: string;
  let credentials: Credentials;
  beforeAll(async () => {
    npm = startProgram("npm", ["start"], { env, detached: true });
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

  test("applies it immediately when an operator disables the user", async () => {
    const token = await login(address, credentials);
    expect((await post(address, ME, {}, bearer(token))).status).toBe(200);
    const { code, stderr } = await runCli(["user", "disable", "johndoe"], { env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const { status, errors } = await post(address, ME, {}, bearer(token));
    expect(status).toBe(401);
    expect(errors?.[0]?.extensions).toEqual({ code: "UNAUTHENTICATED", reason: "ACCOUNT_DISABLED" });
    await runCli(["user", "enable", "johndoe"], { env });
  });

  test("finishes requests in flight on SIGTERM and leaves no process", async () => {
    // The server has the request's head once it asks for the body.
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
    // The process group of npm and all its descendants is gone.
    expect(() => process.kill(-npm.child.pid!, 0)).toThrow("ESRCH");
    await expect(fetch(`${address}/healthz`)).rejects.toThrow();
  });

  test("prints the credentials only once, and they keep working", async () => {
    const again = startMain(env);
    const [, address = ""] = await again.printed(READY);
    expect(again.stdout()).not.toMatch(/password|johndoe/);
    await login(address, credentials);
    expect(await stop(again)).toBe(0);
  });
});

test("`latchkey serve` starts the same server", async () => {
  const env = { ...UNCONFIGURED, DATABASE_URL: newSqliteFile().databaseUrl };
  const server = startBuilt("cli", ["serve"], { env });
  const [, address = ""] = await server.printed(READY);
  const [, username = "", password = ""] = await server.printed(CREDENTIALS);
  await login(address, { username, password });
  expect(await stop(server)).toBe(0);
});

test("a signal while the first account is created stops the server in order", async () => {
  const server = startMain({ ...UNCONFIGURED, DATABASE_URL: newSqliteFile().databaseUrl });
  const [, address] = await server.printed(/Server listening at (http:\S+)/);
  await fetch(`${address}/healthz`);
  server.child.kill("SIGTERM");
  const { code, stdout, stderr } = await server.ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(CREDENTIALS);
});

test("three processes that start together on one empty PostgreSQL are one service", async () => {
  const env = {
    NODE_ENV: "development",
    DATABASE_URL: await emptyDatabaseUrl("postgres"),
    PUBLIC_URL: "https://auth.example.com",
  };
  const three = [startMain(env), startMain(env), startMain(env)];
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
  const { databaseUrl, file } = newSqliteFile();
  const env = { ALGORITHM, DATABASE_URL: databaseUrl, PUBLIC_URL: "https://auth.example.com/" };
  const credentials = { username: "alice", password: PASSWORD };
  let server: Program;
  let address: string;
  beforeAll(async () => {
    server = startMain(env);
    [, address = ""] = await server.printed(LISTENING);
  });

  test("creates no account, neither development's nor a common default (row 21)", async () => {
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

  test("issues tokens that others verify with nothing but its key set", async () => {
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

  test("logs one line of JSON per request, with its id and without secrets", async () => {
    // The last line of the previous test may still be in the pipe.
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
    await server.printed(/(?:"msg":"request".*\n[\s\S]*?){7}/, before);
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

  test("stops with code 0, and starts only with the SECRET_KEY it had", async () => {
    expect(await stop(server)).toBe(0);
    const before = contentOf(file);
    expect(before).toContain("alice@example.com");
    const other = await startMain({ ...env, SECRET_KEY: "CANARY, but not the one it had before" }).ended;
    expect(other.code).toBe(1);
    expect(other.stdout).toBe("");
    expect(other.stderr).toMatch(/^latchkey: SECRET_KEY is not the one [^\n]*\n$/);
    expect(contentOf(file)).toBe(before);

    const again = startMain(env);
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
