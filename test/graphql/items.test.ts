import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type App, makeApp } from "../support/app.js";
import { DATABASES } from "../support/databases.js";
import { CREATE_ITEM, DELETE_ITEM, MY_ITEMS, UPDATE_ITEM } from "../support/operations.js";

const NOT_FOUND = [
  expect.objectContaining({ message: "You have no item with this id.", extensions: { code: "NOT_FOUND" } }),
];
const UNKNOWN_ID = "0190a0a0-0000-7000-8000-000000000000";

describe.each(DATABASES)("items on %s", (database) => {
  let app: App;
  let alice: { token: string };
  let bob: { token: string };
  beforeAll(async () => {
    app = await makeApp({ database });
    await app.createUser("alice");
    await app.createUser("bob");
    alice = { token: (await app.login("alice")).accessToken };
    bob = { token: (await app.login("bob")).accessToken };
  });
  afterAll(() => app.close());

  async function create(title: string, user = alice): Promise<string> {
    const { data } = await app.send(CREATE_ITEM, { input: { title } }, user);
    return data!.createItem.id;
  }

  test("an item is made, changed and deleted by its owner", async () => {
    const input = { title: "Blåhaj 🦈", description: "a shark" };
    const created = (await app.send(CREATE_ITEM, { input }, alice)).data!.createItem;
    const madeAt = new Date(app.clock.now()).toISOString();
    expect(created).toEqual({
      ...input,
      id: expect.any(String),
      owner: { username: "alice" },
      createdAt: madeAt,
      updatedAt: madeAt,
    });

    app.clock.advance(1000);
    const { id } = created;
    const changedAt = new Date(app.clock.now()).toISOString();
    const changed = await app.send(UPDATE_ITEM, { id, input: { title: "Shark" } }, alice);
    expect(changed.data?.updateItem).toEqual({
      id,
      title: "Shark",
      description: "a shark",
      createdAt: madeAt,
      updatedAt: changedAt,
    });
    const cleared = await app.send(UPDATE_ITEM, { id, input: { description: null } }, alice);
    expect(cleared.data?.updateItem).toMatchObject({ title: "Shark", description: null });

    expect((await app.send(DELETE_ITEM, { id }, alice)).data).toEqual({ deleteItem: true });
    expect((await app.send(DELETE_ITEM, { id }, alice)).errors).toEqual(NOT_FOUND);
  });

  test("another's item answers as one that does not exist", async () => {
    const id = await create("alice's");
    const answers = await Promise.all([
      app.send(UPDATE_ITEM, { id, input: { title: "bob's" } }, bob),
      app.send(UPDATE_ITEM, { id: UNKNOWN_ID, input: { title: "bob's" } }, bob),
      app.send(DELETE_ITEM, { id }, bob),
      app.send(DELETE_ITEM, { id: UNKNOWN_ID }, bob),
    ]);
    for (const { status, errors } of answers) {
      expect(status).toBe(200);
      expect(errors).toEqual(NOT_FOUND);
    }
    expect((await app.send(MY_ITEMS, {}, bob)).data?.myItems).toEqual([]);
    await app.send(DELETE_ITEM, { id }, alice);
  });

  test("myItems pages through the owner's items in the order they were made", async () => {
    const ids: string[] = [];
    for (let n = 0; n < 60; n++) ids.push(await create(`item ${n}`));
    const page = async (variables: { first?: number; after?: string }) =>
      (await app.send(MY_ITEMS, variables, alice)).data!.myItems.map(({ id }) => id);
    expect(await page({})).toEqual(ids.slice(0, 50));
    expect(await page({ first: 7, after: ids[49]! })).toEqual(ids.slice(50, 57));
    expect(await page({ after: ids[59]! })).toEqual([]);
    expect(await page({ first: 100 })).toEqual(ids);
  });

  test.each([
    ["an empty title", CREATE_ITEM, { input: { title: "" } }, "input.title"],
    ["too long a title", CREATE_ITEM, { input: { title: "x".repeat(201) } }, "input.title"],
    ["a NUL in the title", CREATE_ITEM, { input: { title: "a\0b" } }, "input.title"],
    ["half a character in the title", CREATE_ITEM, { input: { title: "a\ud800" } }, "input.title"],
    [
      "too long a description",
      CREATE_ITEM,
      { input: { title: "x", description: "x".repeat(5001) } },
      "input.description",
    ],
    ["a title of null", UPDATE_ITEM, { id: UNKNOWN_ID, input: { title: null } }, "input.title"],
    ["an id that is none", UPDATE_ITEM, { id: "1", input: { title: "x" } }, "id"],
    ["an id that is none", DELETE_ITEM, { id: "'; drop table items" }, "id"],
    ["a page of nothing", MY_ITEMS, { first: 0 }, "first"],
    ["too large a page", MY_ITEMS, { first: 101 }, "first"],
    ["a cursor that is none", MY_ITEMS, { after: "\0" }, "after"],
  ] as const)("refuses %s", async (_what, document, variables, field) => {
    const { status, errors } = await app.send<unknown, never>(document as never, variables as never, alice);
    expect(status).toBe(400);
    expect(errors).toHaveLength(1);
    expect(errors![0]!.message).toMatch(/^Invalid input: \w+ must/);
    expect(errors![0]!.extensions).toEqual({
      code: "BAD_USER_INPUT",
      violations: [{ field, rule: expect.any(String), message: expect.stringContaining(" must ") }],
    });
  });
});
