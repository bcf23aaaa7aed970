import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { getIntrospectionQuery, print } from "graphql";
import * as ADMIN_OPERATIONS from "../../support/administration-operations.js";
import { type App, makeApp } from "../../support/app.js";
import { many, REFUSED } from "../../support/documents.js";
import * as OPERATIONS from "../../support/operations.js";

/** In milliseconds: far more than a busy machine needs. Without limits each of the attacks takes longer. */
const GENEROUS = 500;

let app: App;
beforeAll(async () => {
  app = await makeApp();
  await app.post({ query: `{${many(100, () => "a")}}` });
});
afterAll(() => app.close());

/** Sends a document repeatedly. Returns the last answer, and the median time in milliseconds. */
async function timed(query: string) {
  const times: number[] = [];
  let answer = await app.post({ query });
  for (let n = 0; n < 5; n++) {
    const started = performance.now();
    answer = await app.post({ query });
    times.push(performance.now() - started);
  }
  return { answer, took: times.sort((a, b) => a - b)[2]! };
}

describe("expensive documents are refused quickly (row 61)", () => {
  test.each([
    ["100,000 aliases", `{${many(100_000, (n) => `a${n}:me{id}`)}}`, 413],
    ["as many aliases as fit", `{${many(4_500, (n) => `a${n}:me{id}`)}}`, 400],
    ["20,000 repeated fields", `{${many(20_000, () => "me{id}")}}`, 413],
    ["as many repeated fields as fit", `{${many(9_000, () => "me{id}", "")}}`, 400],
    ["10,000 directives", `{me{id${many(10_000, () => "@skip(if:true)", "")}}}`, 413],
    ["as many directives as fit", `{me{id${many(32_000, () => "@a", "")}}}`, 400],
    ["60,000 levels", `${"{a".repeat(60_000)}${"}".repeat(60_000)}`, 413],
    ["as many levels as fit", `${"{a".repeat(21_000)}${"}".repeat(21_000)}`, 400],
    ["60,000 levels that are never closed", "{".repeat(60_000), 400],
    ["60,000 levels of lists", `{me(a:${"[".repeat(60_000)}`, 400],
    [
      "3,000 overlapping fragments",
      `{${many(3_000, (n) => `...f${n}`)}}${many(3_000, (n) => `fragment f${n} on Query{me{id}}`)}`,
      413,
    ],
    [
      "as many overlapping fragments as fit",
      `{${many(1_400, (n) => `...f${n}`)}}${many(1_400, (n) => `fragment f${n} on Query{me{id}}`)}`,
      400,
    ],
  ])("%s", async (_what, query, status) => {
    const { answer, took } = await timed(query);
    expect(answer.status).toBe(status);
    expect(answer.errors).toHaveLength(1);
    expect(answer.text.length).toBeLessThan(200);
    expect(took).toBeLessThan(GENEROUS);
  });
});

describe("a document over a limit is refused with one error that names the limit (row 61)", () => {
  test.each([
    ["tokens", `{me{${many(999, () => "id")}}}`, "1000 tokens", "GRAPHQL_PARSE_FAILED"],
    ["aliases", `{me{${many(51, (n) => `a${n}:id`)}}}`, "50 aliases"],
    ["directives", `{me{${many(51, () => "id@skip(if:true)")}}}`, "50 directives"],
    ["a literal list", `{users(search:[${many(101, () => "1")}]){nodes{id}}}`, "100 items in a list"],
    ["a list in a default", `query($a:[Int]=[${many(101, () => "1")}]){me{id}}`, "100 items in a list"],
    ["depth", `{me${"{items{owner".repeat(10)}{id}${"}}".repeat(10)}}`, "20 levels of selections"],
    [
      "depth through fragments",
      `{me{...f0}}${many(10, (n) => `fragment f${n} on User{items{owner{...f${n + 1}}}}`)}fragment f10 on User{id}`,
      "20 levels of selections",
    ],
    ["root fields", `{${many(21, () => "me{id}")}}`, "20 root fields"],
    ["root fields of a mutation", `mutation{${many(21, () => "logout")}}`, "20 root fields"],
    ["root fields of unknown names", `{${many(21, (n) => `x${n}`)}}`, "20 root fields"],
    [
      "root fields through fragments",
      `{...{...f}...f ...f}fragment f on Query{...g ...g}fragment g on Query{${many(4, () => "me{id}")}}`,
      "20 root fields",
    ],
    ["fields", `{me{${many(300, () => "id")}}}`, "300 fields, with those that fragments bring"],
    [
      "fields of fragments that double 70 times",
      `{me{...f0}}${many(70, (n) => `fragment f${n} on User{...f${n + 1} ...f${n + 1}}`)}fragment f70 on User{id}`,
      "300 fields, with those that fragments bring",
    ],
    [
      "fields of a fragment that is never spread",
      `{me{id}}fragment f on User{${many(301, () => "id")}}`,
      "300 fields, with those that fragments bring",
    ],
    ["the second of two operations", `query a{me{id}}query b{${many(21, () => "me{id}")}}`, "20 root fields"],
  ])("%s", async (_what, query, limit, code = "GRAPHQL_VALIDATION_FAILED") => {
    const answer = await app.post({ query });
    expect(answer).toMatchObject(REFUSED(code, `The document has more than ${limit}.`));
    expect(answer.errors).toHaveLength(1);
  });

  test.each<[string, string, object]>([
    ["by default", "{me{items{owner{items{owner{items{id}}}}}}}", {}],
    ["by literals", "{users(first:100){nodes{items(first:100){id title}}}}", {}],
    ["by a variable", "query($n:Int!){users(first:$n){nodes{items(first:$n){id title}}}}", { n: 100 }],
    ["by a variable's default", "query($n:Int=100){users(first:$n){nodes{items(first:$n){id title}}}}", {}],
    [
      "through a fragment",
      "{users(first:100){nodes{...f}}}fragment f on User{items(first:100){id title}}",
      {},
    ],
    ["by many small ones", `{${many(20, (n) => `a${n}:users(first:100){nodes{items(first:10){id}}}`)}}`, {}],
  ])("pages within pages %s", async (_what, query, variables) => {
    expect(await app.post({ query, variables })).toMatchObject(
      REFUSED(
        "GRAPHQL_VALIDATION_FAILED",
        "The document has more than 20000 values in its answer, by the pages it asks for.",
      ),
    );
  });

  test.each<[string, string, object?]>([
    ["of text, twice", "{a:myItems(first:100){description} b:myItems(first:100){description}}"],
    ["of the same text by aliases", `{myItems(first:5){${many(50, (n) => `a${n}:description`)}}}`],
    ["of text below text", "{myItems(first:20){description owner{items(first:20){description}}}}"],
    ["of text through fragments", "{myItems(first:100){...f a:description}}fragment f on Item{description}"],
    ["by a variable", "query($n:Int){myItems(first:$n){a:description b:description}}", { n: 90 }],
    ["of an answer's own names", `{myItems(first:100){${"a".repeat(30_000)}:id}}`],
    ["of a name of 60,000 characters", `{mySessions{${"a".repeat(60_000)}:current}}`],
    [
      "of types' names",
      `{users(first:100){nodes{items(first:10){${many(19, (n) => `${"t".repeat(90)}${n}:__typename`)}}}}}`,
    ],
    ["of what only an administrator reads", "{users(first:100){nodes{items(first:98){id title}}}}"],
    [
      "in a mutation",
      `mutation{login(username:"a",password:"b"){user{items(first:100){a:description b:description}}}}`,
    ],
    ["of sessions", `{${many(20, (n) => `a${n}:mySessions(first:100){id userAgent}`)}}`],
    [
      "of events",
      `{${many(10, (n) => `a${n}:auditEvents(first:100){nodes{details} edges{node{details}}}`)}}`,
    ],
  ])("bytes %s", async (_what, query, variables = {}) => {
    expect(await app.post({ query, variables })).toMatchObject(
      REFUSED(
        "GRAPHQL_VALIDATION_FAILED",
        "The answer could take more than 2097152 bytes: ask for fewer items or fields.",
      ),
    );
  });

  test("bytes of an answer, with MAX_RESPONSE_BYTES set", async () => {
    const small = await makeApp({ env: { MAX_RESPONSE_BYTES: "65536" } });
    try {
      const query = (first: number) => `{myItems(first:${first}){description}}`;
      expect(await small.post({ query: query(4) })).toMatchObject(
        REFUSED(
          "GRAPHQL_VALIDATION_FAILED",
          "The answer could take more than 65536 bytes: ask for fewer items or fields.",
        ),
      );
      expect((await small.post({ query: query(3) })).errors?.[0]?.extensions?.["code"]).toBe(
        "UNAUTHENTICATED",
      );
    } finally {
      await small.close();
    }
  });

  test.each([
    ["at the root", "{a:__schema{types{name}}}"],
    ["of a type", `{b:__type(name:"User"){name}}`],
    ["below", "{__schema{types{fields{a:name}}}}"],
    [
      "through fragments",
      "{__schema{...s}}fragment s on __Schema{types{...t}}fragment t on __Type{a:description}",
    ],
  ])("aliases within introspection %s", async (_what, query) => {
    expect(await app.post({ query })).toMatchObject(
      REFUSED("GRAPHQL_VALIDATION_FAILED", "The document has more than 0 aliases within introspection."),
    );
  });

  // Every JavaScript object inherits properties with these names.
  test.each(["constructor", "toString", "__proto__"])(
    "pages within pages by a variable $%s without a value",
    async (name) => {
      const page = "{nodes{items(first:100){id title createdAt updatedAt}}}";
      for (const declared of ["Int", "Int=100"]) {
        const query = `query($${name}:${declared}){users(first:$${name})${page}}`;
        expect(await app.post({ query })).toMatchObject(
          REFUSED(
            "GRAPHQL_VALIDATION_FAILED",
            "The document has more than 20000 values in its answer, by the pages it asks for.",
          ),
        );
      }
    },
  );

  test("a GET request too", async () => {
    const query = encodeURIComponent(`{${many(21, () => "me{id}")}}`);
    const { status, text } = await app.request(`/graphql?query=${query}`, {
      headers: { "apollo-require-preflight": "1" },
    });
    expect(status).toBe(400);
    expect(JSON.parse(text).errors[0].message).toBe("The document has more than 20 root fields.");
  });
});

// The first request has the document parsed, validated and measured; the next ones find it in the store.
describe("a remembered document keeps its limits (row 61)", () => {
  const VALUES = "The document has more than 20000 values in its answer, by the pages it asks for.";
  const BYTES = "The answer could take more than 2097152 bytes: ask for fewer items or fields.";
  const passes = { status: 401, errors: [{ extensions: { code: "UNAUTHENTICATED" } }] };
  const refused = (message: string) => REFUSED("GRAPHQL_VALIDATION_FAILED", message);

  test.each<[string, string, object, object, string]>([
    [
      "pages within pages",
      "query($n:Int){users(first:$n){nodes{items(first:$n){id title}}}}",
      { n: 10 },
      { n: 100 },
      VALUES,
    ],
    [
      "only the inner page in a variable",
      "query($n:Int){users(first:100){nodes{items(first:$n){id title}}}}",
      { n: 10 },
      { n: 100 },
      VALUES,
    ],
    [
      "a variable's default",
      "query($n:Int=100){users(first:$n){nodes{items(first:$n){id title}}}}",
      { n: 10 },
      {},
      VALUES,
    ],
    [
      "a page in a fragment",
      "query($n:Int){users(first:100){nodes{...f}}}fragment f on User{items(first:$n){id title}}",
      { n: 1 },
      { n: 100 },
      VALUES,
    ],
    ["bytes", "query($n:Int){myItems(first:$n){a:description b:description}}", { n: 60 }, { n: 90 }, BYTES],
  ])("with other variables: %s", async (_what, query, few, many, message) => {
    for (const [variables, expected] of [
      [few, passes],
      [many, refused(message)],
      [few, passes],
      [many, refused(message)],
    ] as const) {
      expect(await app.post({ query, variables })).toMatchObject(expected);
    }
    // And when the first variables that are seen are too many.
    const again = `${query} `;
    expect(await app.post({ query: again, variables: many })).toMatchObject(refused(message));
    expect(await app.post({ query: again, variables: few })).toMatchObject(passes);
  });

  test("with variables of the wrong type, which the execution refuses", async () => {
    const query = "query($n:Int){users(first:$n){nodes{items(first:$n){id title}}}}#types";
    const wrong = { status: 400, errors: [{ extensions: { code: "BAD_USER_INPUT" } }] };
    for (const [variables, expected] of [
      [{ n: "100" }, wrong],
      [{ n: 100 }, refused(VALUES)],
      [{ n: "100" }, wrong],
    ] as const) {
      expect(await app.post({ query, variables })).toMatchObject(expected);
    }
  });

  test("for each of its operations", async () => {
    const query = `query small{myItems(first:1){id}}
      query large{users(first:100){nodes{items(first:100){id title}}}}`;
    for (let n = 0; n < 2; n++) {
      expect(await app.post({ query, operationName: "small" })).toMatchObject(passes);
      expect(await app.post({ query, operationName: "large" })).toMatchObject(refused(VALUES));
    }
  });

  test.each([
    ["its pages", "{users(first:100){nodes{items(first:100){id title}}}}", VALUES],
    ["its text", "{a:myItems(first:100){description} b:myItems(first:100){description}}", BYTES],
    ["its root fields", `{${many(21, () => "me{id}")}}`, "The document has more than 20 root fields."],
    ["its fields", "{m}", 'Cannot query field "m" on type "Query". Did you mean "me"?'],
  ])("for %s, which no variable changes", async (_what, query, message) => {
    for (let n = 0; n < 3; n++) expect(await app.post({ query })).toMatchObject(refused(message));
  });

  test("and its variables their own", async () => {
    const query = "query($search:String){users(search:$search){nodes{id}}}";
    const tooMany = { search: Array(101).fill("a") };
    for (const [variables, expected] of [
      [{ search: "a" }, passes],
      [tooMany, { status: 400, errors: [{ extensions: { code: "BAD_USER_INPUT" } }] }],
      [{ search: "a" }, passes],
    ] as const) {
      expect(await app.post({ query, variables })).toMatchObject(expected);
    }
  });

  test("and its fields their guard", async () => {
    await app.createUser("remembered");
    const { accessToken: token } = await app.login("remembered");
    const query = "{me{username}} ";
    for (let n = 0; n < 2; n++) {
      expect((await app.post({ query }, { token })).data).toEqual({ me: { username: "remembered" } });
      expect(await app.post({ query })).toMatchObject(passes);
    }
  });
});

describe("a document within the limits passes", () => {
  test.each([
    ["the introspection query", getIntrospectionQuery()],
    [
      "the introspection query with every option",
      getIntrospectionQuery({
        descriptions: true,
        specifiedByUrl: true,
        directiveIsRepeatable: true,
        schemaDescription: true,
        inputValueDeprecation: true,
        oneOf: true,
      }),
    ],
  ])("%s", async (_what, query) => {
    const { status, data } = await app.post({ query });
    expect(status).toBe(200);
    expect(data).toMatchObject({ __schema: { queryType: { name: "Query" } } });
  });

  // Introspection has no aliases, and graphql-js limits its depth, so its answer is bounded.
  test("the largest query about the schema", async () => {
    const query = `{__schema{types{name description fields{...f type{...b} args{...i type{...b}}} inputFields{...i}}}}
      fragment b on __Type{...n ofType{...n ofType{...n ofType{...n}}}}
      fragment n on __Type{name fields{name description type{name} args{name description}}}
      fragment f on __Field{name description isDeprecated deprecationReason}
      fragment i on __InputValue{name description defaultValue isDeprecated}`;
    const { status, text } = await app.post({ query });
    expect(status).toBe(200);
    expect(text.length).toBeGreaterThan(50_000);
    expect(text.length).toBeLessThan(app.config.maxResponseBytes);
  });

  test.each(
    Object.entries({ ...OPERATIONS, ...ADMIN_OPERATIONS }).filter(
      ([, value]) => typeof value === "object" && "kind" in value,
    ),
  )("%s", async (_name, document) => {
    const { errors } = await app.post({ query: print(document as never) });
    // Variables or the token are missing, but the document itself is valid.
    expect(errors?.[0]?.extensions?.["code"] ?? "").not.toMatch(/^GRAPHQL_/);
  });

  test.each([
    ["20 levels", `{me${"{items(first:1){owner".repeat(9)}{id}${"}}".repeat(9)}}`],
    ["20 root fields", `{${many(20, () => "me{id}")}}`],
    ["50 aliases", `{me{${many(50, (n) => `a${n}:id`)}}}`],
    ["users with their items", "{users{nodes{id username email items{id title createdAt}}}}"],
    ["as many values as are allowed", "{users(first:100){nodes{items(first:98){id createdAt}}}}"],
    [
      "pages of the size in a variable",
      "query($n:Int=100){users(first:$n){nodes{items(first:$n){id title}}}}",
    ],
    [
      "a page of items with all fields",
      "{myItems(first:100){__typename id title description owner{id username} createdAt updatedAt}}",
    ],
    [
      "a page of users with all fields",
      `{users(first:100){
        nodes{__typename id username email emailVerified fullName disabled roles createdAt}
        edges{cursor} pageInfo{hasNextPage hasPreviousPage startCursor endCursor}}}`,
    ],
    [
      "a page of events with all fields, twice",
      `{auditEvents(first:100){nodes{...e} edges{cursor node{...e}}}}
      fragment e on AuditEvent{id at type actorId subjectId sessionId ipAddress details}`,
    ],
  ])("%s", async (_what, query) => {
    const { errors } = await app.post({ query, variables: query.includes("$n") ? { n: 50 } : {} });
    expect(errors?.[0]?.extensions?.["code"]).toBe("UNAUTHENTICATED");
  });
});

describe("a fragment that contains itself is refused", () => {
  test.each([
    ["directly", "{me{...f}}fragment f on User{...f id}"],
    ["through other fragments", "{me{...f}}fragment f on User{...g ...g}fragment g on User{...f ...f}"],
    ["below a field", "{me{...f}}fragment f on User{items{owner{...f ...f}}}"],
  ])("%s", async (_what, query) => {
    const { status, errors } = await app.post({ query });
    expect(status).toBe(400);
    expect(errors![0]!.extensions!["code"]).toBe("GRAPHQL_VALIDATION_FAILED");
  });
});

describe("only the first errors of a request are reported (row 61)", () => {
  test.each([
    ["unknown fields", { query: `{me{${many(280, (n) => `x${n}`)}}}` }, "GRAPHQL_VALIDATION_FAILED"],
    [
      "unused variables",
      { query: `query(${many(200, (n) => `$v${n}:Int`)}){me{id}}` },
      "GRAPHQL_VALIDATION_FAILED",
    ],
    [
      "a variable's errors",
      {
        query: "mutation($id:ID!,$roles:[Role!]!){setUserRoles(id:$id,roles:$roles){id}}",
        variables: { id: "1", roles: Array(100).fill("NOBODY") },
      },
      "BAD_USER_INPUT",
    ],
  ])("%s", async (_what, body, code) => {
    const { status, errors, text } = await app.post(body);
    expect(status).toBe(400);
    expect(errors!.length).toBe(6);
    expect(new Set(errors!.map(({ extensions }) => extensions!["code"]))).toEqual(new Set([code]));
    expect(errors![5]!.message).toMatch(/^Too many .*errors.*, error limit reached\./);
    expect(text.length).toBeLessThan(2_000);
  });

  test("a name longer than any in the schema is not quoted", async () => {
    const { text } = await app.post({ query: `{${"a".repeat(60_000)}}` });
    expect(text.length).toBeLessThan(300);
  });
});
