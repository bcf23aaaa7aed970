import type { Selectable } from "kysely";
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

/** The owner's items, oldest first, starting after the item `after`. */
export async function listItems(
  db: Database,
  ownerId: string,
  {
    first,
    after = "",
    withDescription,
  }: { first: number; after: string | undefined; withDescription: boolean },
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

/** How many owners one statement reads for: SQLite joins no more than 500 queries. */
const OWNERS = 100;

/**
 * The oldest items of each owner, by owner id. Each owner has a subquery of their own, which the index answers in order,
 * so that no item is read that is not returned.
 * @param firsts how many to read, by owner id
 */
export async function listItemsOfOwners(
  db: Database,
  firsts: ReadonlyMap<string, number>,
  options: { withDescription: boolean },
): Promise<Map<string, ListedItem[]>> {
  const rows: ListedRow[] = [];
  const owners = [...firsts];
  for (let n = 0; n < owners.length; n += OWNERS) {
    const [first, ...others] = owners.slice(n, n + OWNERS).map(([ownerId, limit]) => {
      const oldest = selectListed(db, options).where("owner_id", "=", ownerId);
      return db.selectFrom(oldest.orderBy("id").limit(limit).as("oldest")).selectAll();
    });
    const all = others.reduce((query, other) => query.unionAll(other), first!);
    rows.push(...(await all.execute()));
  }
  return Map.groupBy(rows.map(toListedItem), ({ ownerId }) => ownerId);
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
