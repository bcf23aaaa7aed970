import { type Selectable, sql } from "kysely";
import type { Database } from "./database.js";
import { PreparedQuery } from "./prepared-query.js";
import type { ItemRow } from "./tables.js";

/** An item that belongs to a user. */
export interface Item {
  id: string;
  ownerId: string;
  title: string;
  description: string | null;
  createdAt: number;
  updatedAt: number;
}

/** An item of a list. Descriptions can be large: they are read only when they are asked for, else undefined. */
export type ListedItem = Omit<Item, "description"> & { description?: string | null | undefined };

/** Undefined fields stay as they are. */
export interface ItemChanges {
  title?: string | undefined;
  description?: string | null | undefined;
}

/** The columns of every list. */
const LISTED = ["id", "owner_id", "title", "created_at", "updated_at"] as const;

type ListedRow = Pick<Selectable<ItemRow>, (typeof LISTED)[number]> & Pick<ListedItem, "description">;

function toItem(row: Selectable<ItemRow>): Item {
  return { ...toListedItem(row), description: row.description };
}

function toListedItem(row: ListedRow): ListedItem {
  return {
    id: row.id,
    ownerId: row.owner_id,
    title: row.title,
    description: row.description,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

const insert = new PreparedQuery((db, item: Item) =>
  db.insertInto("items").values({
    id: item.id,
    owner_id: item.ownerId,
    title: item.title,
    description: item.description,
    created_at: item.createdAt,
    updated_at: item.updatedAt,
  }),
);

export async function insertItem(db: Database, item: Item): Promise<void> {
  await insert.run(db, item);
}

function listQuery(withDescription: boolean) {
  return new PreparedQuery((db, page: { ownerId: string; first: number; after: string }) =>
    selectListed(db, { withDescription })
      .where("owner_id", "=", page.ownerId)
      .where("id", ">", page.after)
      .orderBy("id")
      .limit(page.first),
  );
}

const list = listQuery(false);
const listWithDescriptions = listQuery(true);

export async function listItems(
  db: Database,
  { ownerId, first, after = "" }: ItemPage,
  { withDescription }: { withDescription: boolean },
): Promise<ListedItem[]> {
  const query = withDescription ? listWithDescriptions : list;
  return (await query.all(db, { ownerId, first, after })).map(toListedItem);
}

function selectListed(db: Database, { withDescription }: { withDescription: boolean }) {
  return db
    .selectFrom("items")
    .select(LISTED)
    .$if(withDescription, (query) => query.select("description"));
}

/** A page of an owner's items, oldest first: up to `first` of them, after the item `after`. */
export interface ItemPage {
  ownerId: string;
  first: number;
  after?: string | undefined;
}

/** How many pages one statement reads: SQLite joins no more than 500 queries. */
const PAGES = 100;

/**
 * The items of each page, in the order of the pages. Each page has a subquery of its own, which the index answers in
 * order, so that no item is read that is not returned.
 */
export async function listItemPages(
  db: Database,
  pages: readonly ItemPage[],
  options: { withDescription: boolean },
): Promise<ListedItem[][]> {
  const found: ListedItem[][] = pages.map(() => []);
  for (let from = 0; from < pages.length; from += PAGES) {
    const [first, ...others] = pages.slice(from, from + PAGES).map(({ ownerId, first, after = "" }, n) => {
      const items = selectListed(db, options).where("owner_id", "=", ownerId).where("id", ">", after);
      return db
        .selectFrom(items.orderBy("id").limit(first).as("listed"))
        .selectAll()
        .select(sql.lit<number>(from + n).as("page"));
    });
    const all = others.reduce((query, other) => query.unionAll(other), first!);
    for (const { page, ...row } of await all.execute()) found[page]!.push(toListedItem(row));
  }
  return found;
}

const count = new PreparedQuery((db, { ownerId }: { ownerId: string }) =>
  db
    .selectFrom("items")
    .select((select) => select.fn.countAll<number | bigint | string>().as("count"))
    .where("owner_id", "=", ownerId),
);

export async function countItems(db: Database, ownerId: string): Promise<number> {
  return Number((await count.first(db, { ownerId }))?.count);
}

/** @returns undefined when the owner has no such item */
export async function updateItem(
  db: Database,
  { id, ownerId }: { id: string; ownerId: string },
  changes: ItemChanges,
  now: number,
): Promise<Item | undefined> {
  const row = await db
    .updateTable("items")
    .set({ title: changes.title, description: changes.description, updated_at: now })
    .where("id", "=", id)
    .where("owner_id", "=", ownerId)
    .returning([...LISTED, "description"])
    .executeTakeFirst();
  return row && toItem(row);
}

const remove = new PreparedQuery((db, { id, ownerId }: { id: string; ownerId: string }) =>
  db.deleteFrom("items").where("id", "=", id).where("owner_id", "=", ownerId),
);

/** @returns false when the owner has no such item */
export async function deleteItem(db: Database, item: { id: string; ownerId: string }): Promise<boolean> {
  return (await remove.run(db, item)) === 1;
}
