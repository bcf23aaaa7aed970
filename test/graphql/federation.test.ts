import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { composeServices } from "@theguild/federation-composition";
import { buildSchema, GraphQLObjectType, parse } from "graphql";
import { MINUTE } from "../../src/clock.js";
import { composeSchema, printSubgraph } from "../../src/compose/schema.js";
import { printSdl } from "../../src/graphql/schema.js";
import { codeOf, errorOf, violationOf } from "../support/answers.js";
import { type Answer, type App, makeApp } from "../support/app.js";
import { closingAfterEach } from "../support/closing.js";
import { DATABASES } from "../support/databases.js";
import { CREATE_ITEM, DELETE_ACCOUNT } from "../support/operations.js";
import { enrollTotp } from "../support/totp.js";
import { makeUser, type SignedIn } from "../support/users.js";

const FEDERATION = "on";
const NOBODY = "0190a0a0-0000-7000-8000-000000000000";

type Entity = { id?: string; username?: string; items?: { title: string }[] } | null;
type Entities = Answer<{ _entities: Entity[] }>;

const ENTITIES =
  "query ($representations: [_Any!]!) { _entities(representations: $representations) { ... on User { id username } } }";

const userOf = (id: unknown) => ({ __typename: "User", id });

async function entities(app: App, representations: unknown, viewer?: { token: string }, query = ENTITIES) {
  return (await app.post({ query, variables: { representations } }, viewer)) as Entities;
}

describe("the subgraph", () => {
  const start = closingAfterEach();
  const SDL = { query: "{ _service { sdl } }" };
  const sdlOf = async (app: App) =>
    ((await app.post(SDL)).data as { _service: { sdl: string } } | null)?._service.sdl;

  test("is there only with FEDERATION=on", async () => {
    const app = await start();
    expect(errorOf(await app.post(SDL))?.message).toBe('Cannot query field "_service" on type "Query".');
    const { errors } = await entities(app, [userOf(NOBODY)]);
    expect(errors?.map(({ message }) => message)).toContain(
      'Cannot query field "_entities" on type "Query".',
    );
  });

  test("is the schema, with a key of User and a PageInfo that others have too", async () => {
    const app = await start({ env: { FEDERATION } });
    const sdl = (await sdlOf(app))!;
    expect(sdl).toBe(printSubgraph(app.latchkey));
    const plain = printSdl(composeSchema(app.latchkey)).split("\n");
    expect(sdl.split("\n").flatMap((line, n) => (line === plain[n] ? [] : [[plain[n], line]]))).toEqual([
      [
        "schema {",
        'schema @link(url: "https://specs.apollo.dev/federation/v2.0", import: ["@key", "@shareable"]) {',
      ],
      ["type User {", 'type User @key(fields: "id") {'],
      ["type PageInfo {", "type PageInfo @shareable {"],
    ]);
  });

  test("composes with another: the types are joined, and its own directives left out", async () => {
    const app = await start();
    const other = `
      extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable"])
      directive @auth(level: Int) on FIELD_DEFINITION
      type Query { notes: [Note!]! @auth(level: 1) }
      type Note { text: String! author: User }
      type User @key(fields: "id") { id: ID! notes: [Note!]! }
      type PageInfo @shareable { hasNextPage: Boolean! }
    `;
    const { supergraphSdl, publicSdl, errors } = composeServices([
      {
        name: "latchkey",
        url: "http://localhost:4000/graphql",
        typeDefs: parse(printSubgraph(app.latchkey)),
      },
      { name: "notes", url: "http://localhost:4001/graphql", typeDefs: parse(other) },
    ]);
    expect(errors).toBeUndefined();
    expect(supergraphSdl).toMatch(/type User @join__type\(graph: LATCHKEY, key: "id"\)/);
    const composed = buildSchema(publicSdl!);
    expect(composed.getDirective("auth")).toBeUndefined();
    expect(composed.getDirective("oncePerRequest")).toBeUndefined();
    expect(Object.keys((composed.getType("User") as GraphQLObjectType).getFields())).toEqual(
      expect.arrayContaining(["username", "items", "notes"]),
    );
    // What an app asks of Latchkey can be asked of the whole.
    for (const type of ["Query", "Mutation"])
      expect(Object.keys((composed.getType(type) as GraphQLObjectType).getFields())).toEqual(
        expect.arrayContaining(Object.keys((app.schema.getType(type) as GraphQLObjectType).getFields())),
      );
  });

  test("does not show its schema where introspection is off (row 62)", async () => {
    const app = await start({ env: { FEDERATION, NODE_ENV: "production" } });
    const answer = await app.post(SDL);
    expect([answer.status, answer.data]).toEqual([200, null]);
    expect(errorOf(answer)).toEqual({
      message: "The schema cannot be read here: print it with `latchkey schema print --federation`.",
      extensions: { code: "FORBIDDEN" },
    });
  });

  test("answers 200 with errors, which gateways would replace by their own", async () => {
    const app = await start({ env: { FEDERATION } });
    for (const query of ["{ me { id } }", "{ nothing }", "{", '{ user(id: "x") { id } }']) {
      const { status, headers, errors } = await app.post({ query });
      expect([query, status, headers.get("www-authenticate"), errors?.length]).toEqual([query, 200, null, 1]);
    }
    // What is no GraphQL request is no answer of GraphQL.
    expect((await app.post("{")).status).toBe(400);
  });

  test("does not repeat its schema in one answer (row 61)", async () => {
    const app = await start({ env: { FEDERATION } });
    const { errors } = await app.post({ query: "{ a: _service { sdl } }" });
    expect(errors?.map(({ message }) => message)).toEqual([
      "The document has more than 0 aliases within introspection.",
    ]);
  });
});

describe.each(DATABASES)("_entities on %s", (database) => {
  let app: App;
  let admin: SignedIn;
  let ada: SignedIn;
  let bob: SignedIn;
  beforeAll(async () => {
    app = await makeApp({ database, env: { FEDERATION } });
    admin = await makeUser(app, "admin", ["ADMIN"]);
    ada = await makeUser(app, "ada");
    bob = await makeUser(app, "bob");
    await app.send(CREATE_ITEM, { input: { title: "hers" } }, ada);
  });
  afterAll(() => app.close());

  /** Returns the tables that the work reads, and what it returns. */
  async function reading<T>(work: () => Promise<T>): Promise<[string[], T]> {
    const spy = jest.spyOn(app.latchkey.db.getExecutor(), "executeQuery");
    try {
      const result = await work();
      return [spy.mock.calls.map(([query]) => /from "(\w+)"/.exec(query.sql)?.[1] ?? query.sql), result];
    } finally {
      spy.mockRestore();
    }
  }

  test("are all that an administrator asks for, in the order of the representations, in one query", async () => {
    const ids = [bob, ada, admin, bob].map(({ id }, n) => (n === 0 ? id.toUpperCase() : id));
    const [tables, { data, errors }] = await reading(() => entities(app, ids.map(userOf), admin));
    expect(errors).toBeUndefined();
    expect(data?._entities.map((entity) => entity?.username)).toEqual(["bob", "ada", "admin", "bob"]);
    // The viewer, then everybody else.
    expect(tables).toEqual(["sessions", "users"]);
  });

  test("are one query for aliases too, and their items another", async () => {
    const fields = "{ ... on User { username items { title } } }";
    const query = `query ($a: [_Any!]!, $b: [_Any!]!) { a: _entities(representations: $a) ${fields} b: _entities(representations: $b) ${fields} }`;
    const variables = { a: [userOf(ada.id)], b: [userOf(bob.id), userOf(ada.id)] };
    const [tables, { data }] = await reading(() => app.post({ query, variables }, admin));
    const hers = { username: "ada", items: [{ title: "hers" }] };
    expect(data).toEqual({ a: [hers], b: [{ username: "bob", items: [] }, hers] });
    expect(tables).toEqual(["sessions", "users", "items"]);
  });

  test("are null with NOT_FOUND where there is no such user, and leave the others", async () => {
    const gone = await makeUser(app, "gone");
    await app.send(DELETE_ACCOUNT, {}, gone);
    const { status, data, errors } = await entities(app, [gone.id, ada.id, NOBODY].map(userOf), admin);
    expect([status, data?._entities]).toEqual([200, [null, { id: ada.id, username: "ada" }, null]]);
    const notFound = { message: "There is no user with this id.", extensions: { code: "NOT_FOUND" } };
    expect(errors).toEqual([
      expect.objectContaining({ ...notFound, path: ["_entities", 0] }),
      expect.objectContaining({ ...notFound, path: ["_entities", 2] }),
    ]);
  });

  test("of a user are themselves alone: another user is as one who does not exist (row 59)", async () => {
    const [tables, { data }] = await reading(() => entities(app, [bob.id, ada.id, NOBODY].map(userOf), ada));
    expect(data?._entities).toEqual([null, { id: ada.id, username: "ada" }, null]);
    // Nobody is looked up: it takes the same time, too.
    expect(tables).toEqual(["sessions"]);
    const [other, missing] = await Promise.all(
      [bob.id, NOBODY].map(async (id) => (await entities(app, [userOf(id)], ada)).text),
    );
    expect(other).toBe(missing);
  });

  test("keep the guards of their fields", async () => {
    const query = ENTITIES.replace("username", "items { title }");
    expect((await entities(app, [userOf(ada.id)], ada, query)).data?._entities).toEqual([
      { id: ada.id, items: [{ title: "hers" }] },
    ]);
    expect(codeOf(await entities(app, [userOf(ada.id)], bob, query))).toBe("NOT_FOUND");
  });

  test("need a token, and one that is still good (row 59)", async () => {
    const representations = [userOf(ada.id)];
    const none = await entities(app, representations);
    expect([none.status, none.data, none.errors?.length]).toEqual([200, null, 1]);
    expect(errorOf(none)?.extensions).toEqual({ code: "UNAUTHENTICATED", reason: "MISSING_TOKEN" });
    const eve = await makeUser(app, "eve");
    await app.latchkey.operator.disable("eve");
    expect(errorOf(await entities(app, [userOf(eve.id)], eve))?.extensions).toMatchObject({
      reason: "ACCOUNT_DISABLED",
    });
    // An administrator still reads who is disabled.
    expect((await entities(app, [userOf(eve.id)], admin)).data?._entities).toMatchObject([
      { username: "eve" },
    ]);
    const late = await makeUser(app, "late");
    app.clock.advance(16 * MINUTE);
    expect(errorOf(await entities(app, [userOf(late.id)], late))?.extensions).toMatchObject({
      reason: "TOKEN_EXPIRED",
    });
    for (const user of [admin, ada, bob])
      Object.assign(user, { token: (await app.login(user.username)).accessToken });
  });

  const SECRET = "CANARY-in-a-representation";
  test.each<[string, unknown, string, string]>([
    ["null", null, "BAD_USER_INPUT", ""],
    ["a text", SECRET, "representations[1]", "representations[1] must be an object"],
    ["a list", [SECRET], "representations[1]", "representations[1] must be an object"],
    ["nothing", {}, "representations[1].__typename", "representations[1].__typename must be User"],
    ...[
      SECRET,
      "Token",
      "_Service",
      "Query",
      "__proto__",
      "constructor",
      1,
      null,
      ["User"],
      { toString: 1 },
    ].map((name): [string, unknown, string, string] => [
      `__typename: ${JSON.stringify(name)}`,
      { __typename: name, id: NOBODY, accessToken: SECRET },
      "representations[1].__typename",
      "representations[1].__typename must be User",
    ]),
    ...[undefined, null, SECRET, 1, [NOBODY], { id: NOBODY }, `${NOBODY} or 1=1`, "a".repeat(5000)].map(
      (id): [string, unknown, string, string] => [
        `id: ${JSON.stringify(id)?.slice(0, 50)}`,
        { __typename: "User", id },
        "representations[1].id",
        "representations[1].id must be a UUID",
      ],
    ),
    [
      "other fields",
      { ...userOf(NOBODY), [SECRET]: SECRET },
      "representations[1]",
      "representations[1] must have __typename and id alone",
    ],
  ])("refuse as a representation: %s", async (_what, representation, field, message) => {
    const answer = await entities(app, [userOf(ada.id), representation], ada);
    expect(codeOf(answer)).toBe("BAD_USER_INPUT");
    expect(answer.text).not.toContain(SECRET);
    // The type of the variable refuses null, for the whole request.
    if (representation === null) return expect(answer.data ?? null).toBeNull();
    expect(violationOf(answer)).toMatchObject({ field, message });
    expect(answer.errors?.map(({ path }) => path)).toEqual([["_entities", 1]]);
    expect(answer.data?._entities).toEqual([{ id: ada.id, username: "ada" }, null]);
  });

  test("can be written in the document", async () => {
    const query = `query ($id: ID!, $other: _Any!) { _entities(representations: [{__typename: "User", id: "${ada.id}"}, {__typename: "User", id: $id}, $other]) { __typename ... on User { username } } }`;
    const variables = { id: bob.id, other: userOf(ada.id) };
    const answer = (await app.post({ query, variables }, admin)) as Entities;
    expect(answer.data?._entities.map((entity) => entity?.username)).toEqual(["ada", "bob", "ada"]);
  });
});

describe("the limits of _entities (row 61)", () => {
  let app: App;
  let admin: SignedIn;
  beforeAll(async () => {
    app = await makeApp({ env: { FEDERATION } });
    admin = await makeUser(app, "admin", ["ADMIN"]);
  });
  afterAll(() => app.close());
  const many = (count: number, id: string = NOBODY) => Array.from({ length: count }, () => userOf(id));
  const literal = (count: number) =>
    `[${Array.from({ length: count }, () => `{__typename: "User", id: "${NOBODY}"}`).join()}]`;

  test("500 representations are resolved, and one more refused", async () => {
    const found = await entities(app, many(500, admin.id), admin);
    expect(found.data?._entities).toEqual(Array(500).fill({ id: admin.id, username: "admin" }));
    const refused = await entities(app, many(501), admin);
    expect(violationOf(refused)?.message).toBe(
      "the variables have a list or an object with more than 500 items",
    );
  });

  test("in a document there are at most 100, as in any list", async () => {
    for (const query of [
      `{ _entities(representations: ${literal(101)}) { __typename } }`,
      `query ($r: [_Any!]! = ${literal(101)}) { _entities(representations: $r) { __typename } }`,
    ])
      expect(errorOf(await app.post({ query }, admin))?.message).toBe(
        "The document has more than 100 items in a list.",
      );
  });

  test("the answer counts with an error for each representation, which has the alias in its path", async () => {
    const send = (count: number, alias: string, representations = many(count)) =>
      entities(app, representations, admin, ENTITIES.replace("_entities", `${alias}: _entities`));
    for (const representations of [many(500), many(500, "x")]) {
      const fits = await send(500, "a", representations);
      expect(fits.errors).toHaveLength(500);
      expect(fits.text.length).toBeLessThan(500 * 400);
    }
    const tooLong = await send(300, "a".repeat(8_000));
    expect(errorOf(tooLong)?.message).toBe(
      "The answer could take more than 2097152 bytes: ask for fewer items or fields.",
    );
  });

  test("10,000 representations are not even read", async () => {
    const answer = await entities(app, many(10_000), admin);
    expect([answer.status, codeOf(answer)]).toEqual([413, "BAD_REQUEST"]);
  });

  test("the answer counts with as many entities as there are representations", async () => {
    const query = ENTITIES.replace("username", "items(first: 100) { id title createdAt }");
    expect(codeOf(await entities(app, many(10), admin, query))).toBe("NOT_FOUND");
    expect(errorOf(await entities(app, many(100), admin, query))?.message).toBe(
      "The document has more than 20000 values in its answer, by the pages it asks for.",
    );
    const written = (list: string) =>
      query.replace("query ($representations: [_Any!]!) ", "").replace("$representations", list);
    expect(codeOf(await app.post({ query: written(literal(10)) }, admin))).toBe("NOT_FOUND");
    expect(codeOf(await app.post({ query: written(literal(100)) }, admin))).toBe("GRAPHQL_VALIDATION_FAILED");
    // Also when the list is written, and what is in it are variables.
    const variables = { a: userOf(NOBODY) };
    const ofVariables = `query ($a: _Any!) ${written(`[${Array(100).fill("$a").join()}]`)}`;
    expect(codeOf(await app.post({ query: ofVariables, variables }, admin))).toBe(
      "GRAPHQL_VALIDATION_FAILED",
    );
  });

  test("aliases are counted, as those of any root field", async () => {
    const aliases = (count: number) =>
      Array.from({ length: count }, (_, n) => `a${n}: _entities(representations: $r) { __typename }`).join(
        " ",
      );
    const send = (count: number) =>
      app.post({ query: `query ($r: [_Any!]!) { ${aliases(count)} }`, variables: { r: many(1) } }, admin);
    expect((await send(20)).errors).toHaveLength(20);
    expect(errorOf(await send(21))?.message).toBe("The document has more than 20 root fields.");
  });
});

test("a user who must have a second factor is themselves before they have it, and reads nobody else", async () => {
  const app = await makeApp({ env: { FEDERATION, REQUIRE_MFA: "all" } });
  const admin = await makeUser(app, "admin", ["ADMIN"]);
  const user = await makeUser(app, "user");
  const representations = [admin.id, user.id].map(userOf);
  const { data, errors } = await entities(app, representations, admin);
  expect(data?._entities).toEqual([{ id: admin.id, username: "admin" }, null]);
  expect(errors?.map(({ path, extensions }) => [path, extensions])).toEqual([
    [["_entities", 1], { code: "MFA_ENROLLMENT_REQUIRED" }],
  ]);
  await enrollTotp(app, admin.token);
  expect((await entities(app, representations, admin)).data?._entities).toMatchObject([
    { username: "admin" },
    { username: "user" },
  ]);
});
