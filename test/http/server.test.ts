import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { serverAudits } from "graphql-http";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { closingAfterEach } from "../support/closing.js";
import { ME } from "../support/operations.js";
import { raw, rawGraphQL } from "../support/raw.js";
import { INTROSPECTION_SECRET } from "../support/tokens.js";

const FORM = "application/x-www-form-urlencoded";
const PRODUCTION = { NODE_ENV: "production" };
const SANDBOX_ORIGINS = ["https://studio.apollographql.com", "https://sandbox.embed.apollographql.com"];

const preflight = (origin: string): RequestInit => ({
  method: "OPTIONS",
  headers: {
    origin,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,apollographql-client-name",
  },
});

const start = closingAfterEach();

describe("in development", () => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ env: { CORS_ORIGINS: "https://app.example.com", INTROSPECTION_SECRET } });
    await app.createUser("alice");
  });
  afterAll(() => app.close());

  test.each(
    serverAudits({ url: () => `${app.address}/graphql` }).map(
      (audit) => [audit.id, audit.name, audit] as const,
    ),
  )("graphql-http audit %s: %s", async (_id, _name, audit) => {
    const result = await audit.fn();
    // A SHOULD may "warn": error statuses follow our own rules, and GET requires a header against CSRF.
    expect({ status: result.status, reason: "reason" in result && result.reason }).not.toMatchObject({
      status: "error",
    });
  });

  test("shows Apollo Sandbox to a browser and answers introspection", async () => {
    const page = await app.request("/graphql", { headers: { accept: "text/html" } });
    expect(page.status).toBe(200);
    expect(page.text).toContain("embeddable-sandbox.cdn.apollographql.com");
    const { data } = await app.post({ query: "{ __schema { queryType { name } } }" });
    expect(data).toEqual({ __schema: { queryType: { name: "Query" } } });
  });

  test("answers in the requested media type", async () => {
    const asked = "application/graphql-response+json";
    const answer = await app.post({ query: "{ __typename }" }, { headers: { accept: asked } });
    expect(answer.headers.get("content-type")).toBe(`${asked}; charset=utf-8`);
    expect((await app.send(ME, {}, { headers: { accept: asked } })).status).toBe(401);
  });

  // Parsers disagree about which of two headers counts. Refused even if both are the same.
  const TWO = "Send one Authorization header.";
  test.each([
    [
      "/graphql",
      "application/json",
      JSON.stringify({ errors: [{ message: TWO, extensions: { code: "BAD_REQUEST" } }] }),
    ],
    ["/introspect", FORM, JSON.stringify({ error: "invalid_request", error_description: TWO })],
    ["/token", FORM, JSON.stringify({ error: "invalid_request", error_description: TWO })],
    ["/revoke", FORM, JSON.stringify({ error: "invalid_request", error_description: TWO })],
    ["/nothing", FORM, JSON.stringify({ error: TWO })],
  ])(
    "refuses two Authorization headers at %s, in the error format of the path (row 52)",
    async (path, type, expected) => {
      const { accessToken } = await app.login("alice");
      const body = path === "/graphql" ? '{"query":"{ me { id } }"}' : `token=${accessToken}`;
      const good = path === "/introspect" ? INTROSPECTION_SECRET : accessToken;
      for (const second of [good, "other"]) {
        const answer = await raw(app.address, [
          `POST ${path} HTTP/1.1`,
          "host: localhost",
          `content-type: ${type}`,
          `content-length: ${body.length}`,
          "connection: close",
          `authorization: Bearer ${good}`,
          `Authorization: Bearer ${second}`,
          "",
          body,
        ]);
        expect(answer).toMatch(/^HTTP\/1\.1 400 /);
        expect(answer).toContain('www-authenticate: Bearer error="invalid_request"');
        expect(answer.split("\r\n\r\n")[1]).toBe(expected);
      }
      expect((await app.send(ME, {}, { token: accessToken })).status).toBe(200);
    },
  );

  test.each([
    ["host: localhost", "Host: localhost", "Host"],
    ["host: localhost", "host: other.example", "Host"],
    ["content-type: application/json", "Content-Type: text/plain", "Content-Type"],
  ])("refuses %j together with %j", async (first, second, name) => {
    const message = `Send one ${name} header.`;
    const others = name === "Host" ? ["content-type: application/json"] : ["host: localhost"];
    for (const [path, expected] of [
      ["/graphql", { errors: [{ message, extensions: { code: "BAD_REQUEST" } }] }],
      ["/token", { error: "invalid_request", error_description: message }],
      ["/nothing", { error: message }],
    ] as const) {
      const answer = await raw(app.address, [
        `POST ${path} HTTP/1.1`,
        first,
        second,
        ...others,
        "content-length: 25",
        "connection: close",
        "",
        '{"query":"{ __typename }"}',
      ]);
      expect(answer).toMatch(/^HTTP\/1\.1 400 /);
      expect(JSON.parse(answer.split("\r\n\r\n")[1]!)).toEqual(expected);
      expect(answer).not.toMatch(/^www-authenticate:/im);
    }
  });

  test.each(["%%%", "a b", "[::1", ""])("refuses the Host %j as a client error", async (host) => {
    const answer = await raw(app.address, rawGraphQL({ query: "{ __typename }" }, [`host: ${host}`]));
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain(
      '{"errors":[{"message":"Send a valid Host header.","extensions":{"code":"BAD_REQUEST"}}]}',
    );
  });

  test.each(["a b", ":", "https, a b"])(
    "refuses the X-Forwarded-Proto %j of a trusted proxy as a client error",
    async (proto) => {
      const headers = ["host: localhost", `x-forwarded-proto: ${proto}`];
      const answer = await raw(app.address, rawGraphQL({ query: "{ __typename }" }, headers));
      expect(answer).toMatch(/^HTTP\/1\.1 400 /);
      expect(answer).toContain('"message":"Send a valid X-Forwarded-Proto header."');
    },
  );

  test.each(["https", "http, https", "HTTPS", ""])("accepts the X-Forwarded-Proto %j", async (proto) => {
    const headers = ["host: localhost", `x-forwarded-proto: ${proto}`];
    const answer = await raw(app.address, rawGraphQL({ query: "{ __typename }" }, headers));
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  });

  test.each([
    ["malformed JSON", "{", { "content-type": "application/json" }, 400],
    ["a batch", JSON.stringify([{ query: "{ __typename }" }]), { "content-type": "application/json" }, 400],
    ["no query", "{}", { "content-type": "application/json" }, 400],
    [
      "the name of an operation that is not in the document",
      JSON.stringify({ query: "{ __typename }", operationName: PASSWORD }),
      { "content-type": "application/json" },
      400,
    ],
    [
      "several operations without a name to run",
      JSON.stringify({ query: "query A { __typename } query B { __typename }" }),
      { "content-type": "application/json" },
      400,
    ],
    ["a form", "query={__typename}", { "content-type": "application/x-www-form-urlencoded" }, 415],
    ["text", "{ __typename }", { "content-type": "text/plain" }, 415],
    [
      "a body that is too large",
      JSON.stringify({ query: " ".repeat(65_536) }),
      { "content-type": "application/json" },
      413,
    ],
  ])("refuses %s with a GraphQL error", async (_what, body, headers, expected) => {
    const { status, text } = await app.request("/graphql", { method: "POST", body, headers });
    expect(status).toBe(expected);
    expect(JSON.parse(text).errors).toEqual([
      { message: expect.any(String), extensions: { code: "BAD_REQUEST" } },
    ]);
  });

  test("refuses a subscription, and an invalid Host", async () => {
    const { status, errors } = await app.post({ query: "subscription { me { id } }" });
    expect([status, errors]).toEqual([
      400,
      [
        {
          message: "The schema has no subscription.",
          locations: [{ line: 1, column: 1 }],
          extensions: { code: "GRAPHQL_VALIDATION_FAILED" },
        },
      ],
    ]);
    const head = ["GET /graphql?query={__typename} HTTP/1.1", "host: %s", "connection: close", "", ""];
    const answer = await raw(app.address, head);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('"message":"Send a valid Host header."');
  });

  test.each([
    ["/token", "POST", { error: "invalid_request", error_description: "Send POST." }],
    ["/revoke", "POST", { error: "invalid_request", error_description: "Send POST." }],
    ["/introspect", "POST", { error: "invalid_request", error_description: "Send POST." }],
    ["/healthz", "GET, HEAD", { error: "Send GET or HEAD." }],
    ["/emails", "GET, HEAD", { error: "Send GET or HEAD." }],
    ["/.well-known/jwks.json", "GET, HEAD", { error: "Send GET or HEAD." }],
  ])("%s allows only %s", async (path, allow, expected) => {
    const { status, headers, text } = await app.request(path, { method: "PUT", body: "x" });
    expect([status, headers.get("allow"), JSON.parse(text)]).toEqual([405, allow, expected]);
  });

  test("automatic persisted queries are off, with the error that makes Apollo Client send the document", async () => {
    const persistedQuery = { version: 1, sha256Hash: "0".repeat(64) };
    for (const query of [undefined, "{ __typename }"]) {
      const { status, data, errors } = await app.post({ query, extensions: { persistedQuery } });
      expect([status, data]).toEqual([200, undefined]);
      expect(errors).toEqual([
        { message: "PersistedQueryNotSupported", extensions: { code: "PERSISTED_QUERY_NOT_SUPPORTED" } },
      ]);
    }
  });

  // graphql-js would quote each of these.
  test.each([
    [
      "a variable",
      "mutation ($p: String!) { login(username: $p, password: $p) { accessToken } }",
      { p: [PASSWORD] },
    ],
    [
      "a field of a variable",
      "mutation ($i: CreateItemInput!) { createItem(input: $i) { id } }",
      { i: { title: { x: PASSWORD } } },
    ],
    [
      "a number",
      "mutation ($p: String!) { login(username: $p, password: $p) { accessToken } }",
      { p: 8675309 },
    ],
    ["a literal", `mutation { login(username: "a", password: ["${PASSWORD}"]) { accessToken } }`, {}],
    ["an unknown field's literal", `{ me { id(x: "${PASSWORD}") } }`, {}],
    ["a literal number", "mutation { login(username: 8675309, password: 8675309) { accessToken } }", {}],
    ["a syntax error", `mutation { login(username: "a" "${PASSWORD}") }`, {}],
    ["an enum variable", "query ($r: [__TypeKind!]) { me { id } }", { r: [PASSWORD] }],
  ])("never echoes %s", async (_what, query, variables) => {
    const { status, text, errors } = await app.post({ query, variables });
    expect(status).toBe(400);
    expect(errors?.[0]?.message).toEqual(expect.any(String));
    expect(text).not.toMatch(/CANARY|8675309/);
  });

  test.each([
    ["{ nope }", 'Cannot query field "nope" on type "Query".'],
    ["{ m }", 'Cannot query field "m" on type "Query". Did you mean "me"?'],
    ["query ($u: String!) { me { id } }", 'Variable "$u" is never used.'],
    ["{ me }", 'Field "me" of type "User!" must have a selection of subfields. Did you mean "me { ... }"?'],
    ["{", "The document is not valid GraphQL at this location."],
  ])("explains the error in %s", async (query, message) => {
    const { status, errors } = await app.post({ query });
    expect(status).toBe(400);
    expect(errors?.[0]?.message).toBe(message);
  });

  test("masks an internal error, and logs it with the id in the answer", async () => {
    const { accessToken } = await app.login("alice");
    const broken = await start({ databaseUrl: app.databaseUrl });
    await broken.latchkey.db.destroy();
    const { status, errors, text } = await broken.send(ME, {}, { token: accessToken });
    expect(status).toBe(500);
    const { code, errorId } = errors![0]!.extensions as Record<string, string>;
    expect(errors![0]!.message).toBe(
      "Something failed on the server. Quote the error id when you report it.",
    );
    expect(code).toBe("INTERNAL_SERVER_ERROR");
    expect(text).not.toMatch(/driver|destroyed|node_modules/);
    expect(broken.seen.find((line) => line.includes("operation failed") && line.includes(errorId!))).toMatch(
      /destroyed/,
    );
  });

  test("gives each request an id, which is in the log too", async () => {
    const { headers } = await app.post({ query: "{ __typename }" });
    const id = headers.get("x-request-id");
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    const lines = app.seen.filter((line) => line.includes(`"reqId":"${id}"`)).map((line) => JSON.parse(line));
    expect(lines).toMatchObject([{ msg: "request", method: "POST", path: "/graphql" }]);
  });

  test("refuses a malformed path without quoting it", async () => {
    const { status, text } = await app.request("/%zzquoted");
    expect([status, text]).toEqual([400, '{"error":"The path is malformed."}']);
  });

  test("answers probes", async () => {
    expect(await app.request("/healthz")).toMatchObject({ status: 200, text: '{"status":"ok"}' });
    expect(await app.request("/readyz")).toMatchObject({ status: 200, text: '{"status":"ok"}' });
    expect(await app.request("/nothing")).toMatchObject({ status: 404 });
  });
});

describe("in production", () => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ env: PRODUCTION });
  });
  afterAll(() => app.close());

  test("has no landing page, no introspection, no CORS, no suggestions and no persisted queries (row 62)", async () => {
    const page = await app.request("/graphql", { headers: { accept: "text/html" } });
    expect(page.status).toBe(400);
    expect(page.text).not.toContain("<html");
    expect(page.headers.get("content-security-policy")).toBe("default-src 'none';frame-ancestors 'none'");
    for (const query of [
      "{ __schema { queryType { name } } }",
      '{ me { id } __type(name: "User") { name } }',
    ]) {
      const { status, errors } = await app.post({ query });
      expect([status, errors]).toMatchObject([
        400,
        [{ message: expect.stringMatching(/^GraphQL introspection is not allowed/) }],
      ]);
    }
    for (const query of [
      "{ m }",
      "{ me }",
      "{ me { i } }",
      "{ myItems(fist: 1) { id } }",
      "{ ...on Usr { id } }",
    ]) {
      const { errors, text } = await app.post({ query });
      expect(errors?.[0]?.message).toBe("The document does not fit the schema at this location.");
      expect(text).not.toMatch(/did you mean/i);
    }
    const role = await app.post({
      query: "mutation($r:[Role!]!){setUserRoles(id:1,roles:$r){id}}",
      variables: { r: ["ADMN"] },
    });
    expect(role.errors?.[0]?.message).toBe(
      "Invalid input: variables are not of the type the schema asks for.",
    );
    const persistedQuery = { version: 1, sha256Hash: "0".repeat(64) };
    const persisted = await app.post({ query: "{ __typename }", extensions: { persistedQuery } });
    expect(persisted.errors?.[0]?.extensions?.["code"]).toBe("PERSISTED_QUERY_NOT_SUPPORTED");
    for (const origin of SANDBOX_ORIGINS) {
      const { status, headers } = await app.request("/graphql", preflight(origin));
      expect([status, headers.get("access-control-allow-origin")]).toEqual([404, null]);
    }
  });

  test("has landing page, introspection and CORS if APOLLO_SANDBOX is on", async () => {
    const open = await start({ env: { ...PRODUCTION, APOLLO_SANDBOX: "true" } });
    expect((await open.request("/graphql", { headers: { accept: "text/html" } })).text).toContain("<html");
    expect((await open.post({ query: "{ __schema { queryType { name } } }" })).status).toBe(200);
    expect((await open.request("/graphql", preflight(SANDBOX_ORIGINS[0]!))).status).toBe(204);
  });
});
