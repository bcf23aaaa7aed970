import type { Clock, NewId } from "../clock.js";
import { LatchkeyError } from "../errors.js";
import type { Database } from "../storage/database.js";
import {
  deleteItem,
  type Item,
  type ItemChanges,
  insertItem,
  listItems,
  listItemsOfOwners,
  updateItem,
} from "../storage/items.js";

/** A user's own items. Another's item answers as one that does not exist. */
export class Items {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #newId: NewId;

  constructor(deps: { db: Database; clock: Clock; newId: NewId }) {
    this.#db = deps.db;
    this.#clock = deps.clock;
    this.#newId = deps.newId;
  }

  /** Oldest first; the page after the item `after`, or the first. */
  async list(ownerId: string, page: { first: number; after: string | undefined }): Promise<Item[]> {
    return listItems(this.#db, ownerId, page);
  }

  /** The oldest items of each of the users, up to `first` of each, by user. */
  async listOf(ownerIds: readonly string[], first: number): Promise<Map<string, Item[]>> {
    return listItemsOfOwners(this.#db, ownerIds, first);
  }

  async create(ownerId: string, input: { title: string; description: string | null }): Promise<Item> {
    const now = this.#clock.now();
    const item = { id: this.#newId(), ownerId, ...input, createdAt: now, updatedAt: now };
    await insertItem(this.#db, item);
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
