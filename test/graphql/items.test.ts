import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { CompiledQuery, createQueryId, type RootOperationNode } from "kysely";
import { inTransaction } from "../../src/storage/database.js";
import { type ItemPage, insertItem, listItemPages } from "../../src/storage/items.js";
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

  test("an item is created, changed and deleted by its owner", async () => {
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

  test("another user's item looks like one that does not exist", async () => {
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

  test("myItems pages through the owner's items in the order of their creation", async () => {
    const ids: string[] = [];
    for (let n = 0; n < 60; n++) ids.push(await create(`item ${n}`));
    const page = async (variables: { first?: number; after?: string }) =>
      (await app.send(MY_ITEMS, variables, alice)).data!.myItems.map(({ id }) => id);
    expect(await page({})).toEqual(ids.slice(0, 50));
    expect(await page({ first: 7, after: ids[49]! })).toEqual(ids.slice(50, 57));
    expect(await page({ after: ids[59]! })).toEqual([]);
    expect(await page({ first: 100 })).toEqual(ids);
  });

  test("each alias of a field gets a page of the size it asks for", async () => {
    await app.createUser("carol");
    const { accessToken: token, user } = await app.login("carol");
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) ids.push(await create(`item ${n}`, { token }));
    await create("bob's", bob);
    const query = "{me{a:items(first:1){id} b:items(first:2){id} c:items{id owner{id items(first:2){id}}}}}";
    const page = (first: number) => ids.slice(0, first).map((id) => ({ id }));
    expect((await app.post({ query }, { token })).data).toEqual({
      me: {
        a: page(1),
        b: page(2),
        c: ids.map((id) => ({ id, owner: { id: user.id, items: page(2) } })),
      },
    });
  });

  test("an answer with a hundred items of the largest size is within its limit", async () => {
    await app.createUser("grace");
    const { accessToken: token } = await app.login("grace");
    // This character takes six bytes in JSON.
    const input = { title: "\u0001".repeat(100), description: `${"\u0001".repeat(2730)}abcd` };
    for (let n = 0; n < 100; n++) await app.send(CREATE_ITEM, { input }, { token });
    const { data, text } = await app.send(MY_ITEMS, { first: 100 }, { token });
    expect(data!.myItems[99]).toMatchObject(input);
    expect(Buffer.byteLength(text)).toBeLessThan(app.config.maxResponseBytes);
    expect(Buffer.byteLength(text)).toBeGreaterThan(0.8 * app.config.maxResponseBytes);
  });

  test("a list reads descriptions only when its selection asks for them", async () => {
    await app.createUser("heidi");
    const { accessToken: token } = await app.login("heidi");
    const input = { title: "x", description: "all about it" };
    await app.send(CREATE_ITEM, { input }, { token });
    for (const query of [
      "{myItems{id description}}",
      "{myItems{id}myItems{description}}",
      "{me{items{text:description}}}",
      "{me{a:items{id} b:items{description}}}",
      "{me{items{...on Item{...A}}}} fragment A on Item{id ...B} fragment B on Item{description}",
      "{me{items(first:1){owner{items(first:1){description @skip(if:false)}}}}}",
    ]) {
      const { errors, text } = await app.post({ query }, { token });
      expect(errors).toBeUndefined();
      expect(text).toContain(`"${input.description}"`);
    }
    const { schema } = app.latchkey.db;
    await schema.alterTable("items").renameColumn("description", "moved").execute();
    try {
      for (const query of ["{myItems{id title owner{id}}}", "{me{items{id title owner{items{id}}}}}"])
        expect((await app.post({ query }, { token })).errors).toBeUndefined();
      // A statement that reads the column now fails.
      expect((await app.post({ query: "{myItems{description}}" }, { token })).status).toBe(500);
    } finally {
      await schema.alterTable("items").renameColumn("moved", "description").execute();
    }
  });

  test("a mutation's later fields see what its earlier fields wrote", async () => {
    await app.createUser("ivan");
    const { accessToken: token } = await app.login("ivan");
    const query = `mutation{
      a:updateProfile(input:{fullName:"A"}){items{title}}
      createItem(input:{title:"new"}){owner{items{title}}}
      b:updateProfile(input:{fullName:"B"}){items{title}}
    }`;
    expect((await app.post({ query }, { token })).data).toEqual({
      a: { items: [] },
      createItem: { owner: { items: [{ title: "new" }] } },
      b: { items: [{ title: "new" }] },
    });
  });

  /** Returns the items of these pages, and the plan of the one statement that reads them. */
  async function planFor(pages: readonly ItemPage[]) {
    const { db } = app.latchkey;
    let statement: RootOperationNode | undefined;
    let results = 0;
    const watched = db.withPlugin({
      // Called for the parts of a statement first, and for the whole last.
      transformQuery: ({ node }) => {
        statement = node;
        return node;
      },
      transformResult: async ({ result }) => {
        results++;
        return result;
      },
    });
    const found = await listItemPages(watched, pages, { withDescription: true });
    expect(results).toBe(1);
    const { sql, parameters } = db.getExecutor().compileQuery(statement!, createQueryId());
    const explain = database === "sqlite" ? "explain query plan" : "explain (analyze, timing off)";
    const { rows } = await db.executeQuery(CompiledQuery.raw(`${explain} ${sql}`, [...parameters]));
    return {
      found,
      plan: (rows as Record<string, string>[]).map((row) => row["detail"] ?? row["QUERY PLAN"]!),
    };
  }

  test("the cost of reading a page does not depend on how many items there are", async () => {
    const pages: ItemPage[] = [];
    for (const [name, first, after] of [
      ["dave", 3],
      ["erin", 2],
      ["frank", 1, "0399"],
    ] as const) {
      const { id: ownerId } = await app.createUser(name);
      pages.push({ ownerId, first, after: after && `${ownerId}-${after}` });
      await inTransaction(app.latchkey.db, async (transaction) => {
        for (let n = 0; n < 500; n++) {
          const id = `${ownerId}-${String(n).padStart(4, "0")}`;
          await insertItem(transaction, {
            id,
            ownerId,
            title: "x",
            description: null,
            createdAt: 0,
            updatedAt: 0,
          });
        }
      });
    }
    if (database === "postgres") await app.latchkey.db.executeQuery(CompiledQuery.raw("analyze items"));
    const { found, plan } = await planFor(pages);
    const numbers = found.map((items) => items.map(({ id }) => id.slice(-4)));
    expect(numbers).toEqual([["0000", "0001", "0002"], ["0000", "0001"], ["0400"]]);
    if (database === "sqlite") {
      expect(plan.filter((step) => step.includes("items"))).toEqual(
        Array(3).fill("SEARCH items USING INDEX items_owner_id_id (owner_id=? AND id>?)"),
      );
      // Each search stops at its limit, and nothing is sorted or numbered first.
      expect(plan.filter((step) => /TEMP B-TREE/.test(step))).toEqual([]);
    } else {
      // Near the end of the table, it prefers the index of ids.
      const reads = plan.flatMap(
        (step) => /Index Scan using items_\w+ .*actual rows=([\d.]+) loops=1/.exec(step)?.[1] ?? [],
      );
      expect(reads.map(Number)).toEqual([3, 2, 1]);
      expect(plan.filter((step) => /Sort|Rows Removed/.test(step))).toEqual([]);
    }
  });

  test.each([
    ["an empty title", CREATE_ITEM, { input: { title: "" } }, "input.title"],
    ["a title that is too long", CREATE_ITEM, { input: { title: "x".repeat(201) } }, "input.title"],
    ["a title of too many bytes", CREATE_ITEM, { input: { title: "🦈".repeat(151) } }, "input.title"],
    [
      "too many bytes of description",
      CREATE_ITEM,
      { input: { title: "x", description: "🦈".repeat(4097) } },
      "input.description",
    ],
    [
      "too many bytes as JSON writes control characters",
      UPDATE_ITEM,
      { id: UNKNOWN_ID, input: { description: "\u0001".repeat(2731) } },
      "input.description",
    ],
    ["a NUL in the title", CREATE_ITEM, { input: { title: "a\0b" } }, "input.title"],
    ["a lone surrogate in the title", CREATE_ITEM, { input: { title: "a\ud800" } }, "input.title"],
    [
      "too long a description",
      CREATE_ITEM,
      { input: { title: "x", description: "x".repeat(5001) } },
      "input.description",
    ],
    ["a title of null", UPDATE_ITEM, { id: UNKNOWN_ID, input: { title: null } }, "input.title"],
    ["an invalid id", UPDATE_ITEM, { id: "1", input: { title: "x" } }, "id"],
    ["an invalid id", DELETE_ITEM, { id: "'; drop table items" }, "id"],
    ["an empty page", MY_ITEMS, { first: 0 }, "first"],
    ["a page that is too large", MY_ITEMS, { first: 101 }, "first"],
    ["an invalid cursor", MY_ITEMS, { after: "\0" }, "after"],
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

describe.each(DATABASES)("the most items of a user on %s", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database, env: { MAX_ITEMS_PER_USER: "3" } });
  });
  afterAll(() => app.close());

  test("of many created concurrently only as many as the limit stay, and deleting one makes room", async () => {
    for (const name of ["alice", "bob"]) await app.createUser(name);
    const token = (await app.login("alice")).accessToken;
    const create = (as = token) => app.send(CREATE_ITEM, { input: { title: "x" } }, { token: as });
    const answers = await Promise.all(Array.from({ length: 8 }, () => create()));
    const made = answers.flatMap(({ data }) => data?.createItem.id ?? []);
    expect(made).toHaveLength(3);
    for (const { status, errors } of answers.filter(({ data }) => data == null)) {
      expect(status).toBe(200);
      expect(errors).toEqual([
        expect.objectContaining({
          message: "You have 3 items, which is the maximum. Delete one first.",
          extensions: { code: "LIMIT_REACHED" },
        }),
      ]);
    }
    expect((await app.send(MY_ITEMS, {}, { token })).data?.myItems).toHaveLength(3);
    await app.send(DELETE_ITEM, { id: made[0]! }, { token });
    expect((await create()).data?.createItem.id).toBeDefined();
    expect((await create()).errors?.[0]?.extensions).toEqual({ code: "LIMIT_REACHED" });
    expect((await create((await app.login("bob")).accessToken)).data?.createItem.id).toBeDefined();
  });
});
