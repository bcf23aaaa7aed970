import DataLoader from "dataloader";
import type { Items } from "../services/items.js";
import type { Item } from "../storage/items.js";

/** Reads for many users at once what a resolver asks for one by one. */
export interface Loaders {
  /** The oldest items of a user, up to `first`. */
  itemsOf(userId: string, first: number): Promise<Item[]>;
}

/** Loaders for one request: what they have read they do not read again. */
export function createLoaders({ items }: { items: Items }): Loaders {
  const byFirst = new Map<number, DataLoader<string, Item[]>>();
  return {
    async itemsOf(userId, first) {
      let loader = byFirst.get(first);
      if (loader === undefined) {
        loader = new DataLoader(async (userIds) => {
          const found = await items.listOf(userIds, first);
          return userIds.map((id) => found.get(id) ?? []);
        });
        byFirst.set(first, loader);
      }
      return loader.load(userId);
    },
  };
}
