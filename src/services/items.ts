import type { Clock, NewId } from "../clock.js";
import { LatchkeyError } from "../errors.js";
import { type Database, inTransaction } from "../storage/database.js";
import {
  countItems,
  deleteItem,
  type Item,
  type ItemChanges,
  type ItemPage,
  insertItem,
  type ListedItem,
  listItemPages,
  listItems,
  updateItem,
} from "../storage/items.js";
import type { User } from "../storage/users.js";
import { type Actor, authorize } from "./sessions/viewer.js";

/** A written item with its current owner. */
interface OwnedItem {
  item: Item;
  owner: User;
}

export interface ItemsDeps {
  db: Database;
  clock: Clock;
  newId: NewId;
  maxPerUser: number;
}

/** A user's own items. Another user's item behaves as if it did not exist. */
export class Items {
  constructor(private readonly deps: ItemsDeps) {}

  async list(page: ItemPage, options: { withDescription: boolean }): Promise<ListedItem[]> {
    return listItems(this.deps.db, page, options);
  }

  /** The items of several pages, in the order of the pages. */
  async listPages(
    pages: readonly ItemPage[],
    options: { withDescription: boolean },
  ): Promise<ListedItem[][]> {
    return listItemPages(this.deps.db, pages, options);
  }

  /** @throws UNAUTHENTICATED, LIMIT_REACHED */
  async create(actor: Actor, input: { title: string; description: string | null }): Promise<OwnedItem> {
    return this.#write(actor, async (transaction, ownerId, now) => {
      const item = { id: this.deps.newId(), ownerId, ...input, createdAt: now, updatedAt: now };
      if ((await countItems(transaction, ownerId)) >= this.deps.maxPerUser)
        throw tooManyItems(this.deps.maxPerUser);
      await insertItem(transaction, item);
      return item;
    });
  }

  /** Creates an item as the operator, for a user who is not signed in. */
  async createFor(ownerId: string, input: { title: string; description: string | null }): Promise<void> {
    const now = this.deps.clock.now();
    await insertItem(this.deps.db, {
      id: this.deps.newId(),
      ownerId,
      ...input,
      createdAt: now,
      updatedAt: now,
    });
  }

  /** @throws UNAUTHENTICATED, NOT_FOUND */
  async update(actor: Actor, id: string, changes: ItemChanges): Promise<OwnedItem> {
    return this.#write(
      actor,
      async (transaction, ownerId, now) =>
        (await updateItem(transaction, { id, ownerId }, changes, now)) ?? noSuchItem(),
    );
  }

  /** @throws UNAUTHENTICATED, NOT_FOUND */
  async delete(actor: Actor, id: string): Promise<void> {
    await inTransaction(this.deps.db, async (transaction) => {
      const { user } = await authorize(transaction, actor, { now: this.deps.clock.now() });
      if (!(await deleteItem(transaction, { id, ownerId: user.id }))) noSuchItem();
    });
  }

  async #write(
    actor: Actor,
    write: (transaction: Database, ownerId: string, now: number) => Promise<Item>,
  ): Promise<OwnedItem> {
    return inTransaction(this.deps.db, async (transaction) => {
      const now = this.deps.clock.now();
      const { user: owner } = await authorize(transaction, actor, { now });
      return { item: await write(transaction, owner.id, now), owner };
    });
  }
}

function noSuchItem(): never {
  throw new LatchkeyError("NOT_FOUND", "You have no item with this id.");
}

function tooManyItems(max: number): LatchkeyError {
  return new LatchkeyError("LIMIT_REACHED", `You have ${max} items, which is the maximum. Delete one first.`);
}
