import DataLoader from "dataloader";
import type { Items } from "../services/items.js";
import type { Item } from "../storage/items.js";

/** Reads for many users at once what a resolver asks for one by one. */
export interface Loaders {
  /** The oldest items of a user, up to `first`. */
  itemsOf(userId: string, first: number): Promise<Item[]>;
}

/**
 * Loaders for one request. What several fields ask for at once of one user, aliases of one field among them, is one
 * read, of the largest page.
 */
export function createLoaders({ items }: { items: Items }): Loaders {
  const loader = new DataLoader<{ userId: string; first: number }, Item[], string>(
    async (pages) => {
      const firsts = new Map<string, number>();
      for (const { userId, first } of pages) firsts.set(userId, Math.max(first, firsts.get(userId) ?? 0));
      const found = await items.listOf(firsts);
      return pages.map(({ userId, first }) => found.get(userId)?.slice(0, first) ?? []);
    },
    { cacheKeyFn: ({ userId, first }) => `${userId} ${first}` },
  );
  return { itemsOf: (userId, first) => loader.load({ userId, first }) };
}
