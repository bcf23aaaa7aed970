import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { print } from "graphql";
import { decodeJwt } from "jose";
import { type App, makeApp, PASSWORD, type RequestOptions } from "../../support/app.js";
import { closingAfterEach } from "../../support/closing.js";
import { emptyDatabaseUrl } from "../../support/databases.js";
import { hold } from "../../support/held.js";
import { LOGIN } from "../../support/operations.js";
import { type Program, startBuilt } from "../../support/program.js";
import { raw, rawGraphQL } from "../../support/raw.js";

/** Ends the line and starts a forged one, then controls the terminal with C0 and C1 characters. */
const INJECTION = 'x\r\n{"level":30,"msg":"forged"}\u001b[31m\u009b31m\u0007\u2028';

/** Control characters that end a line, ring the bell or control a terminal. */
const CONTROL = /(?!\n)\p{Cc}/u;

const start = closingAfterEach();
const MADE_ID = /^[0-9a-f-]{36}$/;

/** The log lines about requests. */
// biome-ignore lint/suspicious/noExplicitAny: tests read single fields
function linesOf({ seen }: App): Record<string, any>[] {
  return seen.filter((line) => line.includes('"msg":"request"')).map((line) => JSON.parse(line));
}

/** Headers in which clients describe themselves. */
async function attack(address: string): Promise<void> {
  // Of the C0 characters, a header may contain only the tab.
  const header = INJECTION.replace(/[^\x20-\uffff]/g, "\t");
  const headers = [
    "host: localhost",
    `user-agent: ${header}`,
    "x-request-id: chosen-by-the-client",
    "request-id: chosen-by-the-client",
    `x-forwarded-for: ${header}`,
  ];
  const variables = { username: INJECTION, password: INJECTION };
  await raw(address, rawGraphQL({ query: print(LOGIN), variables }, headers));
  await raw(address, rawGraphQL({ query: `{ ${INJECTION} }` }, headers));
  await raw(address, rawGraphQL({ query: "{ __typename }", operationName: INJECTION }, headers));
  for (const path of ["/%0d%0a%1b[31m%c2%9b31m", "/a%0a?%1b[31m", "/\t", "/%1b%zz", "//[31m", "/é\u009b"]) {
    await raw(address, [`GET ${path} HTTP/1.1`, ...headers, "connection: close", "", ""]);
  }
}

describe("the log", () => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp();
  });
  afterAll(() => app.close());

  test("is one JSON object per line, without control characters, whatever clients send (row 70)", async () => {
    app.seen.length = 0;
    await attack(app.address);
    expect(app.seen).toHaveLength(9);
    for (const line of app.seen) {
      expect(line.indexOf("\n")).toBe(line.length - 1);
      expect(line).not.toMatch(CONTROL);
      expect(JSON.parse(line)).toMatchObject({
        time: expect.any(Number),
        msg: expect.not.stringMatching("forged"),
      });
    }
  });

  describe("the id of a request", () => {
    const idOf = async (of: App, value: string) => {
      of.seen.length = 0;
      const { headers } = await of.send(
        LOGIN,
        { username: "nobody", password: "wrong" },
        {
          headers: { "x-request-id": value, "request-id": value },
        },
      );
      expect(linesOf(of).map(({ reqId }) => reqId)).toEqual([headers.get("x-request-id")]);
      return headers.get("x-request-id");
    };

    test.each(["0af7651916cd43dd8448eb211c80319c", "Root-1.67891233_abc", "x", "y".repeat(128)])(
      "comes from a trusted proxy: %s",
      async (id) => {
        expect(await idOf(app, id)).toBe(id);
      },
    );

    test.each(["two words", 'x","msg":"forged', "z".repeat(129), "%1b[31m", "é", "one, two", "<script>", ""])(
      "is generated if the one from a proxy is malformed: %j",
      async (id) => {
        expect(await idOf(app, id)).toMatch(MADE_ID);
      },
    );

    test("never comes from the client itself (row 70)", async () => {
      for (const TRUST_PROXY of ["", "192.0.2.1,10.0.0.0/8"]) {
        const direct = await start({ env: { TRUST_PROXY } });
        expect(await idOf(direct, "chosen-by-the-client")).toMatch(MADE_ID);
        expect(direct.seen.join()).not.toContain("chosen-by-the-client");
      }
    });
  });

  test("has one complete line for each request", async () => {
    const { id: userId } = await app.createUser("carol");
    const { accessToken: token } = await app.login("carol");
    const { sid: sessionId } = decodeJwt(token);
    const from = "203.0.113.7";
    const lineOf = async (send: () => Promise<unknown>) => {
      app.seen.length = 0;
      await send();
      const [line, ...others] = linesOf(app);
      expect(others).toEqual([]);
      const { level, time, pid, hostname, reqId, ms, ...facts } = line!;
      expect([level, ms >= 0, typeof reqId]).toEqual([30, true, "string"]);
      return facts;
    };
    const common = { msg: "request", ip: from, method: "POST", path: "/graphql" };
    const byCarol = { userId, sessionId };
    const query = (text: string, options: RequestOptions = {}) =>
      lineOf(() => app.post({ query: text }, { from, ...options }));

    expect(await query("query Chosen { chosen: me { id } }", { token })).toEqual({
      ...common,
      ...byCarol,
      operation: "me",
      status: 200,
    });
    expect(await query("{ ...F } fragment F on Query { me { id } myItems { id } }", { token })).toEqual({
      ...common,
      ...byCarol,
      operation: "me myItems",
      status: 200,
    });
    expect(await query("{ me { id } item(id: 1) { id } }", {})).toMatchObject({ status: 400 });
    // Its answer has data too, so the status does not show the error.
    expect(
      await query('{ __typename other: passwordStrength(password: "x") { score } }', { token }),
    ).toMatchObject({ operation: "__typename passwordStrength", status: 200 });
    expect(await query("{ chosen }")).toEqual({
      ...common,
      status: 400,
      code: "GRAPHQL_VALIDATION_FAILED",
    });
    expect(await query("{")).toEqual({ ...common, status: 400, code: "GRAPHQL_PARSE_FAILED" });
    expect(await lineOf(() => app.post("{", { from }))).toEqual({
      ...common,
      status: 400,
      code: "BAD_REQUEST",
    });
    expect(await lineOf(() => app.post({}, { from }))).toEqual({
      ...common,
      status: 400,
      code: "BAD_REQUEST",
    });
    expect(await lineOf(() => app.send(LOGIN, { username: "nobody", password: "wrong" }, { from }))).toEqual({
      ...common,
      operation: "login",
      status: 401,
      code: "INVALID_CREDENTIALS",
      fields: ["login"],
    });

    const at = (path: string, init: RequestInit = {}) =>
      lineOf(() => app.request(path, { ...init, headers: { ...init.headers, "x-forwarded-for": from } }));
    const form = { "content-type": "application/x-www-form-urlencoded" };
    const http = { msg: "request", ip: from, method: "GET" };
    expect(await at("/nothing?chosen")).toEqual({ ...http, path: "(unknown)", status: 404 });
    // Rejected before the proxy is known to be trusted.
    expect(await at("/%zz")).toEqual({ ...http, ip: "127.0.0.1", path: "(unknown)", status: 400 });
    expect(await at("/.well-known/jwks.json")).toEqual({
      ...http,
      path: "/.well-known/jwks.json",
      status: 200,
    });
    expect(await at("/token", { method: "PUT" })).toMatchObject({
      path: "/token",
      method: "PUT",
      status: 405,
    });
    const body = "grant_type=password&username=nobody&password=wrong";
    expect(await at("/token", { method: "POST", headers: form, body })).toEqual({
      ...http,
      method: "POST",
      path: "/token",
      status: 400,
      code: "INVALID_CREDENTIALS",
    });
    expect(await at("/token", { method: "POST", headers: form, body: "grant_type=x" })).toMatchObject({
      status: 400,
      code: "unsupported_grant_type",
    });
    expect(await at("/forward-auth", { headers: { authorization: `Bearer ${token}` } })).toEqual({
      ...http,
      ...byCarol,
      path: "/forward-auth",
      status: 200,
    });
    expect(await at("/forward-auth")).toMatchObject({ status: 401, code: "UNAUTHENTICATED" });
  });

  test("has a line for a request whose client did not wait", async () => {
    await app.createUser("dave");
    app.seen.length = 0;
    const held = await hold(app, ["update users set updated_at = updated_at"]);
    try {
      const gone = new AbortController();
      const answer = app.request("/graphql", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ query: print(LOGIN), variables: { username: "dave", password: PASSWORD } }),
        signal: gone.signal,
      });
      await held.waited();
      gone.abort();
      await expect(answer).rejects.toThrow("abort");
      const deadline = performance.now() + 5_000;
      while (linesOf(app).length === 0 && performance.now() < deadline) await sleep(10);
      expect(linesOf(app)).toMatchObject([{ method: "POST", path: "/graphql", status: "aborted" }]);
    } finally {
      await held.commit();
    }
  });

  test("has no token, wherever it was sent (row 69)", async () => {
    await app.createUser("alice");
    const { accessToken, refreshToken } = await app.login("alice");
    app.seen.length = 0;
    const secrets = [accessToken, refreshToken, "a-secret-of-no-kind-we-know"];
    for (const secret of secrets) {
      const headers = {
        authorization: `Bearer ${secret}`,
        cookie: `session=${secret}`,
        "x-api-key": secret,
        "user-agent": secret,
        referer: `https://app.example.com/?token=${secret}`,
        "content-type": "application/x-www-form-urlencoded",
      };
      await app.request(`/graphql?access_token=${secret}&query=${secret}`, { headers });
      await app.request(`/nothing?token=${secret}`, { headers });
      await app.request("/revoke", { method: "POST", headers, body: `token=${secret}x` });
      await app.request("/token", {
        method: "POST",
        headers,
        body: `grant_type=refresh_token&refresh_token=${secret}x&client_secret=${secret}`,
      });
      await app.post({ query: `{ me { id(x: "${secret}") } }`, variables: { secret } }, { token: secret });
    }
    expect(linesOf(app)).toHaveLength(15);
    for (const secret of secrets) expect(app.seen.filter((line) => line.includes(secret))).toEqual([]);
  });

  test("records who was refused what, from where and why (row 68)", async () => {
    const { id: userId } = await app.createUser("bob");
    const { accessToken: token } = await app.login("bob");
    const { sid: sessionId } = decodeJwt(token);
    const from = "203.0.113.9";
    const refusalOf = async (query: string, options: RequestOptions) => {
      app.seen.length = 0;
      await app.post({ query }, { from, ...options });
      const [line, ...others] = linesOf(app);
      expect(others).toEqual([]);
      return line!;
    };
    const common = { time: expect.any(Number), reqId: expect.any(String), ip: from };
    const adminOnly = `{ users { nodes { id } } chosen: auditEvents { nodes { id } } }`;
    const refused = await refusalOf(adminOnly, { token });
    expect(refused).toMatchObject({ ...common, code: "FORBIDDEN", userId, sessionId });
    expect(["users", "auditEvents"]).toEqual(expect.arrayContaining(refused["fields"]));
    expect(refused["fields"].length).toBeGreaterThan(0);
    for (const [bad, reason] of [
      [undefined, "MISSING_TOKEN"],
      [`${token}x`, "INVALID_TOKEN"],
    ] as const) {
      expect(await refusalOf("{ mine: me { id } }", bad ? { token: bad } : {})).toMatchObject({
        ...common,
        code: "UNAUTHENTICATED",
        reason,
        fields: ["me"],
      });
    }
    const refresh = 'mutation { refreshToken(refreshToken: "x") { tokenType } }';
    expect(await refusalOf(refresh, {})).toMatchObject({
      ...common,
      code: "INVALID_TOKEN",
      fields: ["refreshToken"],
    });
    expect(await refusalOf("{ me { id } }", { token })).not.toHaveProperty("code");
  });

  test("logs the requests of probes only at level debug", async () => {
    app.seen.length = 0;
    for (const path of ["/healthz", "/readyz?x", "/metrics"]) await app.request(path);
    expect(linesOf(app).map(({ level, path }) => [level, path])).toEqual([
      [20, "/healthz"],
      [20, "/readyz"],
      [20, "/metrics"],
    ]);
    app.seen.length = 0;
  });
});

describe("the human-readable lines in development", () => {
  let program: Program;
  let address: string;
  beforeAll(async () => {
    const env = {
      NODE_ENV: "development",
      DATABASE_URL: await emptyDatabaseUrl("sqlite"),
      PORT: "0",
      LOG_LEVEL: "trace",
    };
    program = startBuilt("main", [], { env });
    [, address = ""] = await program.printed(/API: +(http:.*)\/graphql/);
  });
  afterAll(async () => {
    program.child.kill("SIGTERM");
    expect((await program.ended).code).toBe(0);
  });

  test("have no control characters (row 70)", async () => {
    const before = program.stdout().length;
    await attack(address);
    const last = await raw(address, ["GET /emails HTTP/1.1", "host: localhost", "connection: close", "", ""]);
    expect(last).toMatch(/^HTTP\/1\.1 200 /);
    await program.printed(/GET \/emails 200 /);
    const lines = program.stdout().slice(before);
    expect(lines).not.toMatch(CONTROL);
    expect(lines).not.toMatch(/forged|chosen-by-the-client/);
    // One short line for each request, with its operation and its result.
    expect(lines).toMatch(
      /^\[\d\d:\d\d:\d\d\] INFO: POST \/graphql login 401 INVALID_CREDENTIALS [\d.]+ ms$/m,
    );
    expect(lines).toMatch(/INFO: POST \/graphql 400 GRAPHQL_PARSE_FAILED [\d.]+ ms$/m);
    expect(lines).toMatch(/INFO: GET \(unknown\) 404 [\d.]+ ms$/m);
  });
});
