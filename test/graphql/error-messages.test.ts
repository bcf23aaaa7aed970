import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type App, makeApp } from "../support/app.js";

const CREATE = "mutation($input: CreateItemInput!) { createItem(input: $input) { id } }";
const LIST = "query($first: Int!) { myItems(first: $first) { id } }";
const AUDIT = "query($since: DateTime) { auditEvents(since: $since) { nodes { id } } }";

describe("the message for a malformed variable", () => {
  let development: App;
  let production: App;
  beforeAll(async () => {
    development = await makeApp();
    production = await makeApp({ env: { NODE_ENV: "production" } });
  });
  afterAll(async () => {
    await development.close();
    await production.close();
  });

  test.each([
    [
      "a missing field",
      CREATE,
      { input: {} },
      "input.title",
      "required",
      "input.title (String!) is required",
    ],
    [
      "an unknown field",
      CREATE,
      { input: { title: "x", descripton: "y" } },
      "input.descripton",
      "unknown",
      "input.descripton is not a field of CreateItemInput (did you mean description?)",
    ],
    [
      "an unknown field like no other",
      CREATE,
      { input: { title: "x", zzz: "y" } },
      "input.zzz",
      "unknown",
      "input.zzz is not a field of CreateItemInput",
    ],
    [
      "a field of another type",
      CREATE,
      { input: { title: ["x"] } },
      "input.title",
      "type",
      "input.title is not of the type the schema asks for",
    ],
    [
      "null for a field that cannot be",
      CREATE,
      { input: { title: null } },
      "input.title",
      "type",
      "input.title is not of the type the schema asks for",
    ],
    [
      "a variable of another type",
      LIST,
      { first: "x" },
      "first",
      "type",
      "first is not of the type the schema asks for",
    ],
    [
      "a value that reads like a path",
      LIST,
      { first: ' at "input.title"; Field "a" is not defined by type "B".' },
      "first",
      "type",
      "first is not of the type the schema asks for",
    ],
    [
      "a scalar of another form",
      AUDIT,
      { since: "yesterday" },
      "since",
      "type",
      "since is not of the type the schema asks for",
    ],
  ])("names %s in development only", async (_what, query, variables, field, rule, message) => {
    const { status, errors } = await development.post({ query, variables });
    expect(status).toBe(400);
    expect(errors).toEqual([
      {
        message: `Invalid input: ${message}.`,
        locations: [expect.anything()],
        extensions: { code: "BAD_USER_INPUT", violations: [{ field, rule, message }] },
      },
    ]);
    const masked = "variables are not of the type the schema asks for";
    expect((await production.post({ query, variables })).errors).toEqual([
      {
        message: `Invalid input: ${masked}.`,
        locations: [expect.anything()],
        extensions: {
          code: "BAD_USER_INPUT",
          violations: [{ field: "variables", rule: "type", message: masked }],
        },
      },
    ]);
  });
});

describe("the message for a request that is not valid GraphQL", () => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ env: { NODE_ENV: "production" } });
  });
  afterAll(() => app.close());

  const JSON_TYPE = { "content-type": "application/json" };
  const PREFLIGHTED = { "apollo-require-preflight": "true" };
  const NO_QUERY =
    "The request has no document: send it as `query`, in the JSON body of a POST or in the URL of a GET.";
  const CSRF =
    "Send `Content-Type: application/json`, with a GET too: pages of other sites cannot send it unasked.";
  const AS_JSON = "Send the body as application/json, in a Content-Type header.";

  test.each<[string, string, RequestInit, number, string]>([
    ["a GET", "/graphql", {}, 400, CSRF],
    ["a GET with a query", "/graphql?query={__typename}", {}, 400, CSRF],
    ["a GET that is preflighted", "/graphql", { headers: PREFLIGHTED }, 400, NO_QUERY],
    ["a GET of JSON", "/graphql", { headers: JSON_TYPE }, 400, NO_QUERY],
    ["a GET with an empty query", "/graphql?query=", { headers: PREFLIGHTED }, 400, NO_QUERY],
    [
      "two queries",
      "/graphql?query={a}&query={b}",
      { headers: PREFLIGHTED },
      400,
      "The 'query' search parameter may only be specified once.",
    ],
    [
      "variables that are not JSON",
      "/graphql?query={__typename}&variables=x",
      { headers: PREFLIGHTED },
      400,
      "The variables search parameter contains invalid JSON.",
    ],
    [
      "a mutation in a GET",
      "/graphql?query=mutation{logout}",
      { headers: PREFLIGHTED },
      405,
      "GET requests only support query operations, not mutation operations",
    ],
    [
      "an empty object",
      "/graphql",
      { method: "POST", body: "{}", headers: JSON_TYPE },
      400,
      "Send a JSON object with the document as `query`.",
    ],
    ["no query", "/graphql", { method: "POST", body: '{"a":1}', headers: JSON_TYPE }, 400, NO_QUERY],
    [
      "a batch",
      "/graphql",
      { method: "POST", body: '[{"query":"{__typename}"}]', headers: JSON_TYPE },
      400,
      "Send one operation in a request: batches are not run.",
    ],
    [
      "a query that is not text",
      "/graphql",
      { method: "POST", body: '{"query":{"a":1}}', headers: JSON_TYPE },
      400,
      "`query` must be a string.",
    ],
    [
      "variables as text",
      "/graphql",
      { method: "POST", body: '{"query":"{__typename}","variables":"{}"}', headers: JSON_TYPE },
      400,
      "`variables` in a POST body should be provided as an object, not a recursively JSON-encoded string.",
    ],
    [
      "plain text",
      "/graphql",
      { method: "POST", body: "{}", headers: { "content-type": "text/plain" } },
      415,
      AS_JSON,
    ],
    [
      "a type of its own",
      "/graphql",
      { method: "POST", body: "{}", headers: { "content-type": "application/graphql" } },
      415,
      AS_JSON,
    ],
    [
      "no media type of its answer",
      "/graphql",
      { method: "POST", body: '{"query":"{__typename}"}', headers: { ...JSON_TYPE, accept: "text/csv" } },
      406,
      "Accept application/json or application/graphql-response+json.",
    ],
  ])("says what to send instead of %s", async (_what, path, init, status, message) => {
    const answer = await app.request(path, init);
    expect([answer.status, JSON.parse(answer.text)]).toEqual([
      status,
      { errors: [{ message, extensions: { code: "BAD_REQUEST" } }] },
    ]);
  });

  test("says what to send instead of JSON to the OAuth endpoints", async () => {
    const answer = await app.request("/token", { method: "POST", body: "{}", headers: JSON_TYPE });
    expect([answer.status, JSON.parse(answer.text)]).toEqual([
      415,
      {
        error: "invalid_request",
        error_description: "Send the body as application/x-www-form-urlencoded, in a Content-Type header.",
      },
    ]);
  });
});
