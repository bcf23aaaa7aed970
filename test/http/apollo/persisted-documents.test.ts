import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { createPersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { print } from "graphql";
import { type App, makeApp, PASSWORD } from "../../support/app.js";
import { closingAfterEach } from "../../support/closing.js";
import { LOGIN, ME } from "../../support/operations.js";

/** The manifest that GraphQL Code Generator writes for the operations of the tests: see codegen.ts. */
const MANIFEST = "test/gql/persisted-documents.json";
const documents: Record<string, string> = JSON.parse(readFileSync(MANIFEST, "utf8"));

/** The id that the generator put into a document. */
const idOf = (document: unknown) => (document as { __meta__: { hash: string } }).__meta__.hash;

const start = closingAfterEach();
const credentials = { username: "alice", password: PASSWORD };

const NOT_FOUND = {
  status: 400,
  errors: [
    {
      message: "No persisted document has this id: add the document to the manifest of PERSISTED_DOCUMENTS.",
      extensions: { code: "PERSISTED_DOCUMENT_NOT_FOUND" },
    },
  ],
};
const ONLY_PERSISTED = {
  status: 400,
  errors: [
    {
      message: "Only persisted documents are run: send the id of one as `documentId`, without `query`.",
      extensions: { code: "PERSISTED_DOCUMENT_NOT_FOUND" },
    },
  ],
};

function manifestOf(texts: object): string {
  const file = join(mkdtempSync(join(tmpdir(), "latchkey-")), "persisted-documents.json");
  writeFileSync(file, JSON.stringify(texts));
  return file;
}

describe("with PERSISTED_DOCUMENTS", () => {
  let app: App;
  let token: string;
  const get = (params: Record<string, string>, headers = {}) =>
    app.request(`/graphql?${new URLSearchParams(params)}`, {
      headers: { "apollo-require-preflight": "1", authorization: `Bearer ${token}`, ...headers },
    });
  beforeAll(async () => {
    app = await makeApp({ env: { PERSISTED_DOCUMENTS: MANIFEST } });
    await app.createUser("alice");
    const answer = await app.post({ documentId: idOf(LOGIN), variables: credentials });
    token = (answer.data as { login: { accessToken: string } }).login.accessToken;
  });
  afterAll(() => app.close());

  test.each([
    ["documentId", { documentId: idOf(ME) }],
    [
      "the hash of a persisted query",
      { extensions: { persistedQuery: { version: 1, sha256Hash: idOf(ME) } } },
    ],
    ["an id and the name of its operation", { documentId: idOf(ME), operationName: "Me" }],
    [
      "an id, and null for all else",
      { documentId: idOf(ME), query: null, operationName: null, extensions: null },
    ],
    ["an id and a document, which is ignored", { documentId: idOf(ME), query: "{ mySessions { id } }" }],
  ])("runs a document by %s, by POST and by GET", async (_what, body) => {
    const { status, data } = await app.post(body, { token });
    expect([status, data]).toMatchObject([200, { me: { username: "alice" } }]);
    const params = Object.entries(body).filter(([, value]) => value !== null);
    const texts = params.map(([k, value]) => [k, typeof value === "string" ? value : JSON.stringify(value)]);
    const got = await get(Object.fromEntries(texts));
    expect([got.status, JSON.parse(got.text).data]).toMatchObject([200, { me: { username: "alice" } }]);
  });

  test("accepts variables by GET", async () => {
    const id = Object.keys(documents).find((each) => documents[each]!.startsWith("query MyItems("))!;
    const { status, text } = await get({ documentId: id, variables: '{"first":1}' });
    expect([status, JSON.parse(text)]).toEqual([200, { data: { myItems: [] } }]);
  });

  test("the real Apollo Client signs in and reads", async () => {
    const sent: string[] = [];
    const client = new ApolloClient({
      cache: new InMemoryCache(),
      link: ApolloLink.from([
        createPersistedQueryLink({ generateHash: (document) => idOf(document) }),
        new HttpLink({
          uri: `${app.address}/graphql`,
          fetch: async (url, init) => {
            sent.push(String(init?.body));
            return fetch(url, init);
          },
        }),
      ]),
    });
    const { data } = await client.mutate({ mutation: LOGIN, variables: credentials });
    const headers = { authorization: `Bearer ${data!.login.accessToken}` };
    const me = await client.query({ query: ME, context: { headers } });
    expect(me.data?.me.username).toBe("alice");
    expect(sent).toHaveLength(2);
    expect(sent.join()).not.toContain('"query"');
  });

  test.each<[string, object, object]>([
    ["an id that is not in it", { documentId: "sha256:0000" }, NOT_FOUND],
    ["an empty id", { documentId: "", query: "{ __typename }" }, NOT_FOUND],
    ["an id that is not a string", { documentId: [idOf(ME)] }, NOT_FOUND],
    ["the name of an inherited property", { documentId: "constructor" }, NOT_FOUND],
    ["a hash that is not in it", { extensions: { persistedQuery: { sha256Hash: "0" } } }, NOT_FOUND],
    [
      "a text to be remembered by its hash",
      {
        query: "{__typename}",
        extensions: {
          persistedQuery: {
            version: 1,
            sha256Hash: createHash("sha256").update("{__typename}").digest("hex"),
          },
        },
      },
      NOT_FOUND,
    ],
    ["a document", { query: "{ __typename }" }, ONLY_PERSISTED],
    ["the text of a persisted document", { query: documents[idOf(ME)] }, ONLY_PERSISTED],
    ["a persisted document as its author wrote it", { query: print(ME) }, ONLY_PERSISTED],
    ["introspection", { query: "{ __schema { queryType { name } } }" }, ONLY_PERSISTED],
  ])("refuses %s, by POST and by GET", async (_what, body, expected) => {
    expect(await app.post(body, { token })).toMatchObject(expected);
    const texts = Object.entries(body).map(([k, v]) => [k, typeof v === "string" ? v : JSON.stringify(v)]);
    const got = await get(Object.fromEntries(texts));
    expect({ status: got.status, ...JSON.parse(got.text) }).toMatchObject(expected);
  });

  test.each([
    ["an array of requests", [{ query: "{ __typename }" }]],
    ["an array with an id", [{ documentId: idOf(ME) }]],
    ["a document as an array", { query: ["{ __typename }"] }],
    ["neither id nor document", { variables: {} }],
    ["nothing", {}],
  ])("refuses %s", async (_what, body) => {
    const { status, data } = await app.post(body, { token });
    expect([status, data]).toEqual([400, undefined]);
  });

  test("GET runs no mutation, and nothing without the header against CSRF", async () => {
    const mutation = await get({ documentId: idOf(LOGIN), variables: JSON.stringify(credentials) });
    expect(mutation.status).toBe(405);
    const simple = await get({ documentId: idOf(ME) }, { "apollo-require-preflight": "" });
    expect(simple.status).toBe(400);
  });
});

test("a persisted document is subject to the limits", async () => {
  const login = 'login(username: "alice", password: "x") { tokenType }';
  const file = manifestOf({ two: `mutation { a: ${login} b: ${login} }`, no: "{" });
  const app = await start({ env: { PERSISTED_DOCUMENTS: file } });
  expect(await app.post({ documentId: "two" })).toMatchObject({
    status: 400,
    errors: [{ message: expect.stringContaining("@oncePerRequest") }],
  });
  expect(await app.post({ documentId: "no" })).toMatchObject({
    errors: [{ extensions: { code: "GRAPHQL_PARSE_FAILED" } }],
  });
});

test("without PERSISTED_DOCUMENTS an id alone is not a valid request", async () => {
  const app = await start();
  const { status, errors } = await app.post({ documentId: idOf(ME) });
  expect([status, errors?.[0]?.extensions?.["code"]]).toEqual([400, "BAD_REQUEST"]);
});

// For a manifest that does not exist, see test/wrong-configuration.test.ts.
describe("the server does not start with a manifest that is", () => {
  const EXPECTED =
    "PERSISTED_DOCUMENTS cannot be used: it must be a JSON object of documents by their ids, as GraphQL Code Generator writes it";

  test.each([
    ["not JSON", resolve("README.md"), EXPECTED],
    ["an array", manifestOf(["{ me { id } }"]), EXPECTED],
    ["empty", manifestOf({}), EXPECTED],
    ["of something else", resolve("package.json"), EXPECTED],
  ])("%s", async (_what, file, message) => {
    await expect(makeApp({ env: { PERSISTED_DOCUMENTS: file } })).rejects.toThrow(message);
  });
});
