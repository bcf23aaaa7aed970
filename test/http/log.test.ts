import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { print } from "graphql";
import { decodeJwt } from "jose";
import { type App, makeApp, type RequestOptions } from "../support/app.js";
import { emptyDatabaseUrl } from "../support/databases.js";
import { LOGIN } from "../support/operations.js";
import { type Program, startBuilt } from "../support/program.js";
import { raw, rawGraphQL } from "../support/raw.js";

/** Ends a line and begins one of the log's own form, then steers the terminal, in C0's way and C1's. */
const INJECTION = 'x\r\n{"level":30,"msg":"forged"}\u001b[31m\u009b31m\u0007\u2028';

/** Control characters: those that end a line, ring, or steer a terminal. */
const CONTROL = /(?!\n)\p{Cc}/u;

/** Everything a client says of itself without being asked. */
async function attack(address: string): Promise<void> {
  // A header may hold none of C0's but the tab.
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

  test("is JSON line by line, and has nothing that steers a terminal, whatever clients send (row 70)", async () => {
    app.seen.length = 0;
    await attack(app.address);
    expect(app.seen.length).toBeGreaterThan(10);
    for (const line of app.seen) {
      expect(line.indexOf("\n")).toBe(line.length - 1);
      expect(line).not.toMatch(CONTROL);
      expect(JSON.parse(line)).toMatchObject({
        time: expect.any(Number),
        msg: expect.not.stringMatching("forged"),
      });
    }
  });

  test("knows a request by an id that is never the client's (row 70)", async () => {
    app.seen.length = 0;
    const headers = { "x-request-id": "chosen-by-the-client", "request-id": "chosen-by-the-client" };
    const answer = await app.send(LOGIN, { username: "nobody", password: "wrong" }, { headers });
    expect(answer.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    expect(app.seen.join()).not.toContain("chosen-by-the-client");
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
    expect(app.seen.filter((line) => line.includes('"reqId"')).length).toBeGreaterThanOrEqual(30);
    for (const secret of secrets) expect(app.seen.filter((line) => line.includes(secret))).toEqual([]);
  });

  test("tells who was refused what, from where and why (row 68)", async () => {
    const { id: userId } = await app.createUser("bob");
    const { accessToken: token } = await app.login("bob");
    const { sid: sessionId } = decodeJwt(token);
    const from = "203.0.113.9";
    const refusalsOf = async (query: string, options: RequestOptions) => {
      app.seen.length = 0;
      await app.post({ query }, { from, ...options });
      const lines = app.seen.filter((line) => line.includes('"msg":"refused"'));
      return lines.map((line) => JSON.parse(line));
    };
    const common = { time: expect.any(Number), reqId: expect.any(String), ipAddress: from };
    const adminOnly = `{ users { nodes { id } } chosen: auditEvents { nodes { id } } }`;
    const [refused, ...others] = await refusalsOf(adminOnly, { token });
    expect([refused, others]).toMatchObject([{ ...common, code: "FORBIDDEN", userId, sessionId }, []]);
    expect(["users", "auditEvents"]).toEqual(expect.arrayContaining(refused.fields));
    expect(refused.fields.length).toBeGreaterThan(0);
    for (const [bad, reason] of [
      [undefined, "MISSING_TOKEN"],
      [`${token}x`, "INVALID_TOKEN"],
    ] as const) {
      expect(await refusalsOf("{ mine: me { id } }", bad ? { token: bad } : {})).toEqual([
        expect.objectContaining({ ...common, code: "UNAUTHENTICATED", reason, fields: ["me"] }),
      ]);
    }
    const refresh = 'mutation { refreshToken(refreshToken: "x") { tokenType } }';
    expect(await refusalsOf(refresh, {})).toEqual([
      expect.objectContaining({ ...common, code: "INVALID_TOKEN", fields: ["refreshToken"] }),
    ]);
    expect(await refusalsOf("{ me { id } }", { token })).toEqual([]);
  });

  test("has no line of what probes ask", async () => {
    app.seen.length = 0;
    for (const path of ["/healthz", "/readyz", "/metrics"]) await app.request(path);
    expect(app.seen.filter((line) => line.includes('"reqId"'))).toEqual([]);
  });
});

describe("the lines for people, in development", () => {
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
    [, address = ""] = await program.printed(/ready at (http:.*)\/graphql/);
  });
  afterAll(async () => {
    program.child.kill("SIGTERM");
    expect((await program.ended).code).toBe(0);
  });

  test("have nothing that steers a terminal (row 70)", async () => {
    const before = program.stdout().length;
    await attack(address);
    const last = await raw(address, ["GET /mails HTTP/1.1", "host: localhost", "connection: close", "", ""]);
    expect(last).toMatch(/^HTTP\/1\.1 200 /);
    await program.printed(/"path": "\/mails"[\s\S]*request completed/);
    const lines = program.stdout().slice(before);
    expect(lines).toContain('"path": "/graphql"');
    expect(lines).not.toMatch(CONTROL);
    expect(lines).not.toMatch(/forged|chosen-by-the-client/);
  });
});
