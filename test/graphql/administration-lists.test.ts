import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import {
  AUDIT_EVENTS,
  DISABLE_USER,
  ENABLE_USER,
  USERS,
  USERS_WITH_ITEMS,
} from "../support/administration-operations.js";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { DATABASES } from "../support/databases.js";
import { makeUser, type SignedIn } from "../support/users.js";

const UNKNOWN_ID = "0190a0a0-0000-7000-8000-000000000000";

describe.each(DATABASES)("lists for administrators on %s", (database) => {
  let app: App;
  let admin: SignedIn;
  beforeAll(async () => {
    app = await makeApp({ database });
    admin = await makeUser(app, "admin", ["ADMIN"]);
    const { operator } = app.latchkey;
    const people = [
      ["per_cent", "p1@example.com", "100% Wool"],
      ["percent", "p2@example.com", "1000 Wool"],
      ["under_score", "p3@example.com", "Back\\slash!"],
      ["underxscore", "p4@Sub.example.com", "ZOË"],
    ] as const;
    for (const [username, email, fullName] of people)
      await operator.create({ username, email, fullName }, PASSWORD);
    await operator.disable("percent");
  });
  afterAll(() => app.close());

  const find = async (variables: { search?: string; disabled?: boolean | null }) =>
    (await app.send(USERS, variables, admin)).data!.users.nodes.map(({ username }) => username);

  test.each([
    ["a part of the username", "ERCEN", ["percent"]],
    ["a part of the address", "@sub.EXAMPLE", ["underxscore"]],
    ["a part of the full name, in any case", "wOOL", ["per_cent", "percent"]],
    ["a percent sign", "%", ["per_cent"]],
    ["a percent sign in it", "0% w", ["per_cent"]],
    ["an underscore", "r_s", ["under_score"]],
    ["the escape character", "!", ["under_score"]],
    ["a backslash", "\\", ["under_score"]],
    ["a quote", "'", []],
    ["non-ASCII characters", "zoë", ["underxscore"]],
    ["non-ASCII characters in another case", "ZoË", ["underxscore"]],
  ])("users are found by %s", async (_what, search, found) => {
    expect(await find({ search })).toEqual(found);
  });

  test("users are filtered by whether they are disabled", async () => {
    expect(await find({ disabled: true })).toEqual(["percent"]);
    expect(await find({ disabled: false, search: "p" })).not.toContain("percent");
    expect(await find({ disabled: null })).toHaveLength(5);
  });

  test("users come in pages, oldest first", async () => {
    const all = ["admin", "per_cent", "percent", "under_score", "underxscore"];
    const page = async (variables: { first: number; after?: string | null }) =>
      (await app.send(USERS, variables, admin)).data!.users;
    const one = await page({ first: 2 });
    expect(one.nodes.map(({ username }) => username)).toEqual(all.slice(0, 2));
    expect(one.edges.map(({ node }) => node.id)).toEqual(one.nodes.map(({ id }) => id));
    expect(one.pageInfo).toEqual({
      hasNextPage: true,
      hasPreviousPage: false,
      startCursor: one.edges[0]!.cursor,
      endCursor: one.edges[1]!.cursor,
    });
    const two = await page({ first: 3, after: one.pageInfo.endCursor! });
    expect(two.nodes.map(({ username }) => username)).toEqual(all.slice(2));
    expect(two.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
    const none = await page({ first: 1, after: two.pageInfo.endCursor! });
    expect(none).toEqual({
      edges: [],
      nodes: [],
      pageInfo: { hasNextPage: false, hasPreviousPage: true, startCursor: null, endCursor: null },
    });
  });

  test.each([
    ["an empty page", USERS, { first: 0 }, "first"],
    ["a page that is too large", USERS, { first: 101 }, "first"],
    ["an invalid cursor", USERS, { after: "x" }, "after"],
    ["an id as a cursor", AUDIT_EVENTS, { after: UNKNOWN_ID }, "after"],
    ["an empty search", USERS, { search: "" }, "search"],
    ["a NUL in the search", USERS, { search: "a\0b" }, "search"],
    ["a page of events that is too large", AUDIT_EVENTS, { first: 101 }, "first"],
    ["an invalid user id", AUDIT_EVENTS, { userId: "alice" }, "userId"],
    ["too many items of each user", USERS_WITH_ITEMS, { items: 101 }, "first"],
  ] as const)("refuse %s", async (_what, document, variables, field) => {
    const { status, errors } = await app.send<unknown, never>(document as never, variables as never, admin);
    expect(status).toBe(400);
    expect(errors![0]!.extensions).toMatchObject({ code: "BAD_USER_INPUT", violations: [{ field }] });
  });

  test("auditEvents returns what was done by and to a user, newest first, filtered by type and time", async () => {
    app.clock.advance(1000);
    const since = new Date(app.clock.now()).toISOString();
    const bob = await makeUser(app, "bob");
    await app.send(DISABLE_USER, { id: bob.id }, admin);
    await app.send(ENABLE_USER, { id: bob.id }, admin);
    const events = async (variables: object) =>
      (await app.send(AUDIT_EVENTS, variables, admin)).data!.auditEvents;

    const all = ["USER_ENABLED", "SESSION_REVOKED", "USER_DISABLED", "LOGIN_SUCCEEDED", "USER_CREATED"];
    const ofBob = await events({ userId: bob.id });
    expect(ofBob.nodes.map(({ type }) => type)).toEqual(all);
    expect(ofBob.nodes[0]).toEqual({
      id: expect.any(String),
      at: since,
      type: "USER_ENABLED",
      actorId: admin.id,
      subjectId: bob.id,
      sessionId: null,
      ipAddress: "127.0.0.1",
      details: {},
    });
    expect(ofBob.nodes.at(-1)!.details).toEqual({ username: "bob", roles: ["USER"] });
    expect((await events({ since })).nodes.map(({ type }) => type)).toEqual(all);
    expect((await events({ userId: admin.id, since })).nodes.map(({ type }) => type)).toEqual(
      all.slice(0, 3),
    );
    const disabled = await events({ type: "USER_DISABLED" });
    expect(disabled.nodes.map(({ actorId }) => actorId)).toEqual([admin.id, null]);

    const one = await events({ since, first: 2 });
    const two = await events({ since, first: 3, after: one.pageInfo.endCursor });
    expect([...one.nodes, ...two.nodes].map(({ type }) => type)).toEqual(all);
    expect([one.pageInfo.hasNextPage, two.pageInfo.hasNextPage]).toEqual([true, false]);
  });
});
