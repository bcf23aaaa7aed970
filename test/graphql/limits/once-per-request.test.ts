import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type App, makeApp, PASSWORD } from "../../support/app.js";
import { many, REFUSED } from "../../support/documents.js";
import { auditEventsOf } from "../../support/tables.js";

let app: App;
beforeAll(async () => {
  app = await makeApp();
  await app.createUser("alice");
});
afterAll(() => app.close());

describe("a request runs at most one field with @oncePerRequest (row 17)", () => {
  const fields = (count: number) =>
    many(count, (n) => `a${n}:login(username:"alice",password:$p){tokenType}`);
  const ONCE = REFUSED(
    "GRAPHQL_VALIDATION_FAILED",
    "The document has more than 1 field with @oncePerRequest: send each in a request of its own.",
  );
  const guess = (query: string) => app.post({ query, variables: { p: PASSWORD } });
  const attempts = async () => {
    const user = await app.latchkey.db
      .selectFrom("users")
      .select("id")
      .where("username", "=", "alice")
      .executeTakeFirstOrThrow();
    const events = await auditEventsOf(app.latchkey.db, user.id);
    return events.filter(({ type }) => type.startsWith("LOGIN_")).length;
  };

  test.each([
    ["two aliases", `mutation($p:String!){${fields(2)}}`],
    ["twenty aliases", `mutation($p:String!){${fields(20)}}`],
    ["two fields without an alias, which would merge", `mutation($p:String!){${fields(1)} ${fields(1)}}`],
    [
      "two in inline fragments",
      `mutation($p:String!){...{...{${fields(1)}}}...on Mutation{b:${fields(1).slice(3)}}}`,
    ],
    [
      "two in fragments",
      `mutation($p:String!){...f ...g}fragment f on Mutation{${fields(1)}}fragment g on Mutation{b:${fields(1).slice(3)}}`,
    ],
    [
      "two, one of them skipped,",
      `mutation($p:String!,$s:Boolean=true){${fields(1)} b:login(username:"alice",password:$p)@skip(if:$s){tokenType}}`,
    ],
    ["two different ones", `mutation($p:String!){${fields(1)} refreshToken(refreshToken:$p){tokenType}}`],
    [
      "two that send emails",
      `mutation{requestPasswordReset(email:"a@b.cd") requestEmailVerification(email:"a@b.cd")}`,
    ],
    [
      "two queries",
      "query($p:String!){a:passwordStrength(password:$p){score} b:passwordStrength(password:$p){score}}",
    ],
  ])("%s are refused before any password is checked", async (_what, query) => {
    expect(await guess(query)).toMatchObject(ONCE);
    expect(await attempts()).toBe(0);
  });

  test("a hundred aliases are refused before any password is checked", async () => {
    const answer = await guess(`mutation($p:String!){${fields(100)}}`);
    expect(answer).toMatchObject({
      status: 400,
      errors: [{ message: "The document has more than 1000 tokens." }],
    });
    expect(answer.errors).toHaveLength(1);
    const compact = await guess(
      `mutation($p:String!){${many(60, (n) => `a${n}:refreshToken(refreshToken:$p){tokenType}`)}}`,
    );
    expect(compact).toMatchObject({
      status: 400,
      errors: [{ message: "The document has more than 50 aliases." }],
    });
    expect(await attempts()).toBe(0);
  });

  test.each([
    ["an array of requests", [{ query: `mutation($p:String!){${fields(1)}}`, variables: { p: PASSWORD } }]],
    [
      "an array of two",
      Array(2).fill({ query: `mutation($p:String!){${fields(1)}}`, variables: { p: PASSWORD } }),
    ],
    ["an empty array", []],
  ])("%s is refused", async (_what, body) => {
    expect(await app.post(body)).toMatchObject({
      status: 400,
      errors: [{ extensions: { code: "BAD_REQUEST" } }],
    });
    expect(await attempts()).toBe(0);
  });

  test("each of several operations may have one, beside other fields", async () => {
    const answer = await app.post({
      query: `mutation a($p:String!){__typename ${fields(1)}}mutation b($p:String!){${fields(1)}}`,
      operationName: "a",
      variables: { p: PASSWORD },
    });
    expect(answer).toMatchObject({ status: 200, data: { a0: { tokenType: "bearer" } } });
    expect(await attempts()).toBe(1);
  });
});
