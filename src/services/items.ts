import type { Clock, NewId } from "../clock.js";
import { LatchkeyError } from "../errors.js";
import { type Database, inTransaction } from "../storage/database.js";
import {
  countItems,
  deleteItem,
  type Item,
  type ItemChanges,
  insertItem,
  listItems,
  listItemsOfOwners,
  updateItem,
} from "../storage/items.js";
import { lockUser } from "../storage/users.js";

/** A user's own items. Another's item answers as one that does not exist. */
export class Items {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #newId: NewId;
  readonly #maxPerUser: number;

  constructor(deps: { db: Database; clock: Clock; newId: NewId; maxPerUser: number }) {
    this.#db = deps.db;
    this.#clock = deps.clock;
    this.#newId = deps.newId;
    this.#maxPerUser = deps.maxPerUser;
  }

  /** Oldest first; the page after the item `after`, or the first. */
  async list(ownerId: string, page: { first: number; after: string | undefined }): Promise<Item[]> {
    return listItems(this.#db, ownerId, page);
  }

  /** The oldest items of each of the users, by user. @param firsts how many of whose */
  async listOf(firsts: ReadonlyMap<string, number>): Promise<Map<string, Item[]>> {
    return listItemsOfOwners(this.#db, firsts);
  }

  /** @throws LIMIT_REACHED */
  async create(ownerId: string, input: { title: string; description: string | null }): Promise<Item> {
    const now = this.#clock.now();
    const item = { id: this.#newId(), ownerId, ...input, createdAt: now, updatedAt: now };
    await inTransaction(this.#db, async (transaction) => {
      // Of several at once each counts those before it.
      await lockUser(transaction, ownerId);
      if ((await countItems(transaction, ownerId)) >= this.#maxPerUser) throw tooManyItems(this.#maxPerUser);
      await insertItem(transaction, item);
    });
    return item;
  }

  /** @throws NOT_FOUND */
  async update(ownerId: string, id: string, changes: ItemChanges): Promise<Item> {
    const item = await updateItem(this.#db, { id, ownerId }, changes, this.#clock.now());
    if (item === undefined) throw noSuchItem();
    return item;
  }

  /** @throws NOT_FOUND */
  async delete(ownerId: string, id: string): Promise<void> {
    if (!(await deleteItem(this.#db, { id, ownerId }))) throw noSuchItem();
  }
}

function noSuchItem(): LatchkeyError {
  return new LatchkeyError("NOT_FOUND", "You have no item with this id.");
}

function tooManyItems(max: number): LatchkeyError {
  return new LatchkeyError("LIMIT_REACHED", `You have ${max} items, which is the most. Delete one first.`);
}
