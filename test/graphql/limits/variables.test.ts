import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type App, makeApp } from "../../support/app.js";

let app: App;
beforeAll(async () => {
  app = await makeApp();
});
afterAll(() => app.close());

describe("variables over a limit are refused (row 61)", () => {
  const nested = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;

  test.each([
    ["ten levels", nested(10)],
    ["ten levels of objects", `${'{"a":'.repeat(9)}{}${"}".repeat(9)}`],
    ["a hundred items", JSON.stringify(Array(100).fill(1))],
  ])("%s are within the limits, though of the wrong type", async (_what, value) => {
    const document = "query($a:Int){users(first:$a){nodes{id}}}";
    const { errors } = await app.post(`{"query":"${document}","variables":{"a":${value}}}`);
    expect(errors).toMatchObject([
      { extensions: { code: "BAD_USER_INPUT", violations: [{ field: "a", rule: "type" }] } },
    ]);
  });

  test.each([
    ["a long list", JSON.stringify(Array(101).fill(1)), "a list or an object with more than 100 items"],
    [
      "the longest list that fits",
      JSON.stringify(Array(30_000).fill(1)),
      "a list or an object with more than 100 items",
    ],
    ["deep lists", nested(11), "more than 10 levels"],
    ["the deepest lists that fit", nested(31_000), "more than 10 levels"],
    ["deep objects", `${'{"a":'.repeat(9_000)}1${"}".repeat(9_000)}`, "more than 10 levels"],
  ])("%s", async (_what, value, message) => {
    const document = "query($a:Int){users(first:$a){nodes{id}}}";
    const answer = await app.post(`{"query":"${document}","variables":{"a":${value}}}`);
    expect(answer).toMatchObject({
      status: 400,
      errors: [
        {
          message: `Invalid input: the variables have ${message}.`,
          extensions: {
            code: "BAD_USER_INPUT",
            violations: [{ field: "variables", rule: "size", message: `the variables have ${message}` }],
          },
        },
      ],
    });
  });
});

describe("the size of a page in a variable (row 67)", () => {
  const query = "query($n:Int!){myItems(first:$n){id}}";
  const TYPE = {
    status: 400,
    errors: [{ extensions: { code: "BAD_USER_INPUT", violations: [{ field: "n", rule: "type" }] } }],
  };
  /** Sends it by POST and by GET. Fastify inspects the JSON of a POST only. */
  async function answers(n: string, document = query) {
    const search = new URLSearchParams({ query: document, variables: `{"n":${n}}` });
    const byGet = await app.request(`/graphql?${search}`, { headers: { "apollo-require-preflight": "1" } });
    return [
      await app.post(`{"query":"${document}","variables":{"n":${n}}}`),
      { status: byGet.status, ...JSON.parse(byGet.text) },
    ];
  }

  test.each([
    ...["toString", "valueOf", "toJSON", "constructor", "hasOwnProperty", "then", "length"].flatMap(
      (name) => [`{"${name}":1}`, `{"${name}":null}`, `[{"${name}":{"${name}":[]}}]`],
    ),
    ...['{"toString":1,"valueOf":1}', '"50"', '""', "true", "1.5", "[50]", "[]", "{}", "null", "1e999"],
    ...["2147483648", "-2147483649"],
  ])("%s is refused", async (n) => {
    for (const answer of await answers(n)) expect(answer).toMatchObject(TYPE);
  });

  test.each(['{"__proto__":1}', '{"constructor":{"prototype":1}}', '{"__proto__":{"toString":1}}'])(
    "%s is refused",
    async (n) => {
      const [byPost, byGet] = await answers(n);
      expect(byPost).toMatchObject({ status: 400, errors: [{ extensions: { code: "BAD_REQUEST" } }] });
      expect(byGet).toMatchObject(TYPE);
    },
  );

  test("1.0 and 1e2 are accepted, because they are whole numbers", async () => {
    for (const n of ["1.0", "1e2"])
      for (const answer of await answers(n))
        expect(answer).toMatchObject({ status: 401, errors: [{ extensions: { reason: "MISSING_TOKEN" } }] });
  });

  test("null is refused, even where the variable may be omitted", async () => {
    const nullable = "query($n:Int=5){myItems(first:$n){id}}";
    await app.createUser("bob");
    const token = (await app.login("bob")).accessToken;
    const answer = await app.post({ query: nullable, variables: { n: null } }, { token });
    expect(answer).toMatchObject({ status: 400, data: null });
    expect(answer.errors).toHaveLength(1);
    expect((await app.post({ query: nullable }, { token })).data).toEqual({ myItems: [] });
  });
});
