import DataLoader from "dataloader";
import type { Items } from "../services/items.js";
import type { ListedItem } from "../storage/items.js";

/** Reads for many users at once what a resolver asks for one by one. */
export interface Loaders {
  /** The oldest items of a user, up to `first`. */
  itemsOf(userId: string, page: { first: number; withDescription: boolean }): Promise<ListedItem[]>;
}

/**
 * Loaders for one request. What several fields ask for of one user in the same step of the execution, aliases of one
 * field among them, is one read of the largest page. Nothing is remembered after that: the next field of a mutation
 * must see what the one before it wrote.
 */
export function createLoaders({ items }: { items: Items }): Loaders {
  const loaderOf = (withDescription: boolean) =>
    new DataLoader<{ userId: string; first: number }, ListedItem[]>(
      async (pages) => {
        const firsts = new Map<string, number>();
        for (const { userId, first } of pages) firsts.set(userId, Math.max(first, firsts.get(userId) ?? 0));
        const found = await items.listOf(firsts, { withDescription });
        return pages.map(({ userId, first }) => found.get(userId)?.slice(0, first) ?? []);
      },
      { cache: false },
    );
  // Most requests need none.
  const loaders = new Map<boolean, ReturnType<typeof loaderOf>>();
  return {
    itemsOf(userId, { first, withDescription }) {
      const loader = loaders.get(withDescription) ?? loaderOf(withDescription);
      loaders.set(withDescription, loader);
      return loader.load({ userId, first });
    },
  };
}
