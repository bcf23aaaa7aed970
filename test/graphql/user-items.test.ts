import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import {
  LOGIN_WITH_ITEMS,
  MY_ITEMS_AS_USER,
  USERS_WITH_ITEMS,
} from "../support/administration-operations.js";
import { error, violationOf } from "../support/answers.js";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { DATABASES } from "../support/databases.js";
import { CREATE_ITEM, MY_ITEMS } from "../support/operations.js";
import { makeUser, type SignedIn } from "../support/users.js";

describe.each(DATABASES)("User.items on %s", (database) => {
  let app: App;
  let admin: SignedIn;
  const users: SignedIn[] = [];
  beforeAll(async () => {
    app = await makeApp({ database });
    admin = await makeUser(app, "admin", ["ADMIN"]);
    for (let n = 0; n < 12; n++) {
      const user = await makeUser(app, `user${n}`);
      users.push(user);
      for (let item = 0; item < n % 4; item++)
        await app.send(CREATE_ITEM, { input: { title: `item ${item}` } }, user);
    }
  });
  afterAll(() => app.close());

  /** Returns the statements that the work sends to the database, except those that begin or end a transaction. */
  async function statementsOf(work: () => Promise<unknown>): Promise<string[]> {
    const spy = jest.spyOn(app.latchkey.db.getExecutor(), "executeQuery");
    try {
      await work();
      return spy.mock.calls.map(([query]) => query.sql);
    } finally {
      spy.mockRestore();
    }
  }

  test("a page of users with their items takes three queries, however long the page", async () => {
    for (const first of [1, 5, 13]) {
      const statements = await statementsOf(async () => {
        const { data } = await app.send(USERS_WITH_ITEMS, { first, items: 2 }, admin);
        expect(data!.users.nodes.map(({ items }) => items.length)).toEqual(
          [0, 0, 1, 2, 2, 0, 1, 2, 2, 0, 1, 2, 2].slice(0, first),
        );
      });
      // The viewer, the users, the items of all of them.
      expect(statements.map((sql) => /from "(\w+)"/.exec(sql)?.[1])).toEqual(["sessions", "users", "items"]);
    }
  });

  test("are each user's oldest items, with their owner", async () => {
    const { data } = await app.send(USERS_WITH_ITEMS, { first: 5, items: 2 }, admin);
    expect(data!.users.nodes[4]).toMatchObject({
      username: "user3",
      items: [
        { title: "item 0", owner: { username: "user3" } },
        { title: "item 1", owner: { username: "user3" } },
      ],
    });
  });

  test("are read page by page, those that begin at one item once, in one query", async () => {
    const mine = (await app.send(MY_ITEMS, {}, users[3])).data!.myItems.map(({ id }) => id);
    const [first, second] = mine as [string, string];
    // The case of an id does not matter.
    const query = `{ me {
      start: items(first: 1) { id }
      rest: items(after: "${first.toUpperCase()}") { id }
      next: items(first: 1, after: "${first}") { id }
      last: items(after: "${second}") { id }
      all: items(after: null) { id }
    } }`;
    const statements = await statementsOf(async () => {
      const { data } = await app.post({ query }, users[3]);
      const pages = Object.entries((data as { me: Record<string, { id: string }[]> }).me);
      expect(Object.fromEntries(pages.map(([name, items]) => [name, items.map(({ id }) => id)]))).toEqual({
        start: mine.slice(0, 1),
        rest: mine.slice(1),
        next: mine.slice(1, 2),
        last: mine.slice(2),
        all: mine,
      });
    });
    expect(statements.filter((sql) => sql.includes('"items"'))).toHaveLength(1);
    // Three pages: from the start, and after each of two items.
    expect(statements.at(-1)!.match(/from "items"/g)).toHaveLength(3);
  });

  test("of every user of a page begin after the same item", async () => {
    const [oldest] = (await app.send(MY_ITEMS, {}, users[3])).data!.myItems;
    const query = `{ users(first: 8) { nodes { username items(after: "${oldest!.id}") { title } } } }`;
    const { data } = await app.post({ query }, admin);
    const { nodes } = (data as { users: { nodes: { username: string; items: unknown[] }[] } }).users;
    expect(nodes.map(({ items }) => items.length)).toEqual([0, 0, 0, 0, 2, 0, 1, 2]);
  });

  test("do not begin after something that is no id", async () => {
    const answer = await app.post({ query: '{ me { items(after: "first") { id } } }' }, users[3]);
    expect(violationOf(answer)).toEqual({ field: "after", rule: "isUuid", message: "after must be a UUID" });
  });

  test("are visible to their owner, as in myItems", async () => {
    const own = (await app.send(MY_ITEMS_AS_USER, {}, users[3])).data!.me.items;
    const mine = (await app.send(MY_ITEMS, {}, users[3])).data!.myItems;
    expect(own.map(({ id }) => id)).toEqual(mine.map(({ id }) => id));
    expect(own).toHaveLength(3);
  });

  test("are refused to another user, and to a user who is only just signing in (row 59)", async () => {
    const query =
      "mutation ($input: CreateItemInput!) { createItem(input: $input) { owner { items { id } } } }";
    const own = await app.post({ query, variables: { input: { title: "x" } } }, users[0]);
    expect(own.data).toMatchObject({ createItem: { owner: { items: [{}] } } });
    const { errors } = await app.send(LOGIN_WITH_ITEMS, { username: "user1", password: PASSWORD });
    expect(errors![0]!.extensions).toEqual({ code: "UNAUTHENTICATED", reason: "MISSING_TOKEN" });
    // Signed in as one user, and signing in as another.
    const other = await app.send(LOGIN_WITH_ITEMS, { username: "user1", password: PASSWORD }, users[2]);
    expect(other.status).toBe(403);
    expect(other.errors).toEqual(
      error("Only the owner of these items and administrators can read them.", { code: "FORBIDDEN" }),
    );
  });
});
