import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { type App, makeApp } from "../support/app.js";

const RUNS = { seed: 20_260_101, numRuns: 100 };

/** A word that can only come from the client, valid as a GraphQL name, in JSON and in a header. */
const marker = fc.stringMatching(/^[a-z]{4}[0-9]{4}$/).map((text) => `HUNTER${text}`);
/** A number that can only come from the client, recognizable by its digits. */
const markedNumber = fc.integer({ min: 1, max: 9_999 }).map((n) => 8_675_309_0000 + n);
const DIGITS = "8675309";

/** Any JSON with the marker somewhere in it. @param key the marker as the name of a field */
const markedJson = (text: string, key = text) =>
  fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      fc.constantFrom(
        text,
        ` ${text}`,
        `${text}\n"'\\`,
        `a@${text}.example`,
        `\u001b[31m${text}`,
        `\0${text}`,
      ),
      markedNumber,
      fc.array(tie("value"), { minLength: 1, maxLength: 3 }),
      fc.dictionary(fc.constantFrom(key, "title", "email", "__proto__", "toJSON"), tie("value"), {
        minKeys: 1,
        maxKeys: 3,
      }),
    ),
  })).value;

/** Where a value can be passed, by its type. */
const VARIABLES = [
  "mutation($p:String!){login(username:$p,password:$p){tokenType}}",
  "mutation($p:String!){refreshToken(refreshToken:$p){tokenType}}",
  "mutation($p:String!){requestPasswordReset(email:$p)}",
  "mutation($p:String!){resetPassword(token:$p,newPassword:$p)}",
  "query($p:String!){passwordStrength(password:$p){warning suggestions}}",
  "mutation($p:RegisterInput!){register(input:$p){username}}",
  "mutation($p:CreateItemInput!){createItem(input:$p){id}}",
  "mutation($p:CreateUserInput!){createUser(input:$p){id}}",
  "mutation($p:ID!){disableUser(id:$p){id}}",
  'mutation($p:[Role!]!){setUserRoles(id:"x",roles:$p){id}}',
  "query($p:DateTime){auditEvents(since:$p){nodes{id}}}",
  "query($p:AuditEventType){auditEvents(type:$p){nodes{id}}}",
  "query($p:Int!){myItems(first:$p){id}}",
  "query($p:Boolean!){me{id @include(if:$p)}}",
];

/** Where a literal can stand. */
const LITERALS = [
  (v: string) => `mutation{login(username:${v},password:${v}){tokenType}}`,
  (v: string) => `mutation{register(input:${v}){username}}`,
  (v: string) => `mutation{register(input:{username:${v},email:${v},password:${v}}){username}}`,
  (v: string) => `mutation{setUserRoles(id:"x",roles:[${v}]){id}}`,
  (v: string) => `{auditEvents(since:${v}){nodes{id}}}`,
  (v: string) => `{auditEvents(type:${v}){nodes{id}}}`,
  (v: string) => `{myItems(first:${v}){id}}`,
  (v: string) => `{me{id@include(if:${v})}}`,
  (v: string) => `query($p:Int=${v}){myItems(first:$p){id}}`,
  (v: string) => `query($p:[Role!]=[${v}]){me{id}}`,
  (v: string) => `{me(${v})}`,
  (v: string) => `{me{id}} ${v}`,
  (v: string) => `${v}{me{id}}`,
];

/** Where a name can stand. */
const NAMES = [
  (n: string) => `{${n}}`,
  (n: string) => `{me{${n}}}`,
  (n: string) => `{me{id{${n}}}}`,
  (n: string) => `{me{id(${n}:1)}}`,
  (n: string) => `{me{id@${n}}}`,
  (n: string) => `{me{id@include(${n}:true)}}`,
  (n: string) => `{...${n}}`,
  (n: string) => `{...on ${n}{id}}`,
  (n: string) => `{me{...on ${n}{id}}}`,
  (n: string) => `{me{...${n}}}fragment ${n} on Item{id}`,
  (n: string) => `{me{...${n}}}fragment ${n} on User{...${n}}`,
  (n: string) => `fragment ${n} on User{id}{me{id}}`,
  (n: string) => `query ${n}{me{id}}query ${n}{me{id}}`,
  (n: string) => `query ${n}($a:Int){me{id}}`,
  (n: string) => `query($${n}:Int){me{id}}`,
  (n: string) => `query($${n}:Int,$${n}:Int){myItems(first:$${n}){id}}`,
  (n: string) => `query($${n}:Int!){myItems(first:$${n}){id}}`,
  (n: string) => `query($${n}:String!){myItems(first:$${n}){id}}`,
  (n: string) => `query($a:${n}){myItems(first:$a){id}}`,
  (n: string) => `{myItems(first:$${n}){id}}`,
  (n: string) => `{users(search:${n}){nodes{id}}}`,
  (n: string) => `mutation{register(input:{${n}:1}){username}}`,
  (n: string) => `mutation{register(input:{username:"a",${n}:"b",${n}:"c"}){username}}`,
  (n: string) => `subscription ${n}{${n}}`,
  (n: string) => `type ${n}{id:ID}`,
  (n: string) => `${n}`,
  (n: string) => `{me{${n}:id ${n}:username}}`,
  (n: string) => `{__type(name:"${n}"){${n}}}`,
];

/** A literal of any kind with the marker in it. */
const literal = (text: string) =>
  fc.constantFrom(
    `"${text}"`,
    `"""${text}"""`,
    `["${text}"]`,
    `{title:"${text}"}`,
    `{title:["${text}"]}`,
    `"${text}`,
    `"\\u{${text}"`,
    `'${text}'`,
    `8675309`,
    `8675309.5e1`,
    `[8675309]`,
    `8675309${text}`,
  );

async function expectNothingOf(app: App, texts: string[], act: () => Promise<unknown>) {
  const before = app.seen.length;
  await act();
  const output = app.seen.slice(before).join("\n");
  for (const text of texts) expect(output.toLowerCase()).not.toContain(text.toLowerCase());
}

describe.each([
  ["development", "sqlite"],
  ["production", "postgres"],
] as const)("in %s on %s no answer and no log line contains (row 65)", (environment, database) => {
  let app: App;
  let token: string;
  beforeAll(async () => {
    app = await makeApp({ database, env: { NODE_ENV: environment } });
    await app.latchkey.operator.create(
      { username: "alice", email: "alice@example.com", fullName: null, roles: ["ADMIN"] },
      "a password with nothing in it",
    );
    token = (await app.login("alice", "a password with nothing in it")).accessToken;
  });
  afterAll(() => app.close());

  test("a value of a variable", async () => {
    const sent = marker.chain((text) =>
      fc.tuple(
        fc.constant(text),
        // In development the name of an unknown field may be quoted, as in a document.
        environment === "production" ? markedJson(text) : markedJson(text, "unknown"),
        fc.constantFrom(...VARIABLES),
      ),
    );
    await fc.assert(
      fc.asyncProperty(sent, async ([text, value, query]) => {
        await expectNothingOf(app, [text, DIGITS], () =>
          app.post({ query, variables: { p: value } }, { token }),
        );
      }),
      RUNS,
    );
  });

  test("a literal", async () => {
    const sent = marker.chain((text) =>
      fc.tuple(fc.constant(text), literal(text), fc.constantFrom(...LITERALS)),
    );
    await fc.assert(
      fc.asyncProperty(sent, async ([text, value, query]) => {
        await expectNothingOf(app, [text, DIGITS], () => app.post({ query: query(value) }, { token }));
      }),
      RUNS,
    );
  });

  test("another part of a request, or anything from a malformed request", async () => {
    const odd = marker.chain((text) =>
      fc.tuple(
        fc.constant(text),
        markedJson(text).chain((value) =>
          fc.constantFrom<[body: unknown, headers?: Record<string, string>]>(
            [{ query: "{me{id}}", operationName: value }],
            [{ query: value }],
            [{ query: "{me{id}}", variables: value }],
            [{ query: "{me{id}}", extensions: value }],
            [{ query: "{me{id}}", extensions: { persistedQuery: value } }],
            [{ query: "{me{id}}", extensions: { persistedQuery: { version: 1, sha256Hash: value } } }],
            [{ documentId: value }],
            [{ [text]: value }],
            [value],
            [JSON.stringify(value).slice(0, -1)],
            [`{"query":"{me{id}}","${text}":}`],
            [`{"query":"{me{id}}","__proto__":{"${text}":1}}`],
            [text],
            [{ query: "{me{id}}" }, { "content-type": `application/${text}` }],
            [{ query: "{me{id}}" }, { "content-type": `${text}; charset=${text}` }],
            [{ query: "{me{id}}" }, { "content-type": `application/json; charset=${text}` }],
            [{ query: "{me{id}}" }, { accept: `application/${text}` }],
            [{ query: "{me{id}}" }, { authorization: `Bearer ${text}` }],
            [{ query: "{me{id}}" }, { authorization: `${text} ${text}` }],
            [{ query: "{me{id}}" }, { "apollo-require-preflight": text, cookie: `a=${text}`, referer: text }],
            [{ query: "{me{id}}" }, { "content-encoding": text }],
            [
              { query: "{me{id}}" },
              // A well-formed id would be kept, because it comes from a trusted proxy.
              {
                "x-request-id": `${text} ${text}`,
                "x-forwarded-for": text,
                origin: `http://${text}.example`,
              },
            ],
          ),
        ),
      ),
    );
    await fc.assert(
      fc.asyncProperty(odd, async ([text, [body, headers = {}]]) => {
        await expectNothingOf(app, [text, DIGITS], () =>
          app.post(body, { headers: { authorization: `Bearer ${token}`, ...headers } }),
        );
      }),
      RUNS,
    );
  });

  test("a path or a query string", async () => {
    const path = marker.chain((text) =>
      fc.tuple(
        fc.constant(text),
        fc.constantFrom(
          `/${text}`,
          `/graphql/${text}`,
          `/verify-email/${text}?token=${text}`,
          `/%zz${text}`,
          `/graphql?${text}`,
          `/graphql?query=${text}`,
          `/graphql?query={me{id}}&variables=${text}`,
          `/graphql?query={me{id}}&variables={"${text}":1}`,
          `/graphql?query={me{id}}&operationName=${text}`,
          `/graphql?query={me{id}}&extensions=${text}`,
          `/graphql?query=${text}&query=${text}`,
          `/healthz?${text}`,
          `/token?${text}`,
          `/.well-known/${text}`,
        ),
        fc.constantFrom("GET", "POST", "DELETE", "OPTIONS"),
        fc.boolean(),
      ),
    );
    await fc.assert(
      fc.asyncProperty(path, async ([text, url, method, preflighted]) => {
        const headers = preflighted ? { "apollo-require-preflight": "1" } : {};
        // Development may quote names in a document.
        fc.pre(environment === "production" || !/query=HUNTER/.test(url));
        await expectNothingOf(app, [text], () => app.request(url, { method, headers }));
      }),
      RUNS,
    );
  });

  test("a form's names and values", async () => {
    const form = marker.chain((text) =>
      fc.tuple(
        fc.constant(text),
        fc.constantFrom("/token", "/revoke", "/introspect"),
        fc.constantFrom(
          { grant_type: text },
          { grant_type: "password", username: text, password: text },
          { grant_type: "refresh_token", refresh_token: text },
          { token: text, token_type_hint: text },
          { [text]: text },
        ),
        fc.constantFrom("application/x-www-form-urlencoded", "application/json", "text/plain"),
      ),
    );
    await fc.assert(
      fc.asyncProperty(form, async ([text, url, fields, type]) => {
        const body = String(new URLSearchParams(fields as Record<string, string>));
        await expectNothingOf(app, [text], () =>
          app.request(url, { method: "POST", body, headers: { "content-type": type, authorization: text } }),
        );
      }),
      { ...RUNS, numRuns: 50 },
    );
  });

  test.each([
    ["one operation", "query a{me{id}}"],
    ["several", "query a{me{id}}query b{me{id}}"],
    ["none", "fragment a on User{id}"],
  ])("the name of the operation to run, of %s", async (_what, query) => {
    await expectNothingOf(app, ["HUNTER"], () => app.post({ query, operationName: "HUNTER2" }));
  });

  const names = marker.chain((text) => fc.tuple(fc.constant(text), fc.constantFrom(...NAMES)));
  if (environment === "production") {
    test("a name in a document", async () => {
      await fc.assert(
        fc.asyncProperty(names, async ([text, query]) => {
          const { data } = await app.post({ query: query(text) }, {});
          expect(data ?? null).toBeNull();
          await expectNothingOf(app, [text], () => app.post({ query: query(text) }, { token: "" }));
        }),
        RUNS,
      );
    });
  } else {
    test("a name in a document, except in the error for its author", async () => {
      await fc.assert(
        fc.asyncProperty(names, async ([text, query]) => {
          const before = app.seen.length;
          await app.post({ query: query(text) });
          const logged = app.seen.slice(before).filter((line) => line.includes('"level":'));
          expect(logged.join()).not.toContain(text);
        }),
        RUNS,
      );
    });
  }
});
