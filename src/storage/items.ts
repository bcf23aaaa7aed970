import type { Selectable } from "kysely";
import type { Database } from "./database.js";
import type { ItemRow } from "./tables.js";

/** A thing that belongs to a user: the data behind the login. */
export interface Item {
  id: string;
  ownerId: string;
  title: string;
  description: string | null;
  createdAt: number;
  updatedAt: number;
}

/** What is left undefined stays as it is. */
export interface ItemChanges {
  title?: string | undefined;
  description?: string | null | undefined;
}

function toItem(row: Selectable<ItemRow>): Item {
  return {
    id: row.id,
    ownerId: row.owner_id,
    title: row.title,
    description: row.description,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

export async function insertItem(db: Database, item: Item): Promise<void> {
  await db
    .insertInto("items")
    .values({
      id: item.id,
      owner_id: item.ownerId,
      title: item.title,
      description: item.description,
      created_at: item.createdAt,
      updated_at: item.updatedAt,
    })
    .execute();
}

/** The owner's items, oldest first, starting behind the item `after`. */
export async function listItems(
  db: Database,
  ownerId: string,
  { first, after }: { first: number; after: string | undefined },
): Promise<Item[]> {
  let query = db.selectFrom("items").selectAll().where("owner_id", "=", ownerId).orderBy("id").limit(first);
  if (after !== undefined) query = query.where("id", ">", after);
  return (await query.execute()).map(toItem);
}

/** How many owners one statement reads for: SQLite joins no more than 500 queries. */
const OWNERS = 100;

/**
 * The oldest items of each of the owners, by owner. It costs what it reads: each owner is a query of their own, which
 * the index answers in order, and no item is read that is not returned.
 * @param firsts how many of whose
 */
export async function listItemsOfOwners(
  db: Database,
  firsts: ReadonlyMap<string, number>,
): Promise<Map<string, Item[]>> {
  const rows: Selectable<ItemRow>[] = [];
  const owners = [...firsts];
  for (let n = 0; n < owners.length; n += OWNERS) {
    const [first, ...others] = owners.slice(n, n + OWNERS).map(([ownerId, limit]) => {
      const oldest = db.selectFrom("items").selectAll().where("owner_id", "=", ownerId);
      return db.selectFrom(oldest.orderBy("id").limit(limit).as("oldest")).selectAll();
    });
    const all = others.reduce((query, other) => query.unionAll(other), first!);
    rows.push(...(await all.execute()));
  }
  return Map.groupBy(rows.map(toItem), ({ ownerId }) => ownerId);
}

export async function countItems(db: Database, ownerId: string): Promise<number> {
  const { count } = await db
    .selectFrom("items")
    .select((select) => select.fn.countAll<number | bigint | string>().as("count"))
    .where("owner_id", "=", ownerId)
    .executeTakeFirstOrThrow();
  return Number(count);
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
    .returningAll()
    .executeTakeFirst();
  return row && toItem(row);
}

/** @returns false when the owner has no such item */
export async function deleteItem(
  db: Database,
  { id, ownerId }: { id: string; ownerId: string },
): Promise<boolean> {
  const result = await db
    .deleteFrom("items")
    .where("id", "=", id)
    .where("owner_id", "=", ownerId)
    .executeTakeFirst();
  return result.numDeletedRows === 1n;
}
