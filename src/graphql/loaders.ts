import DataLoader from "dataloader";
import type { Administration } from "../services/accounts/administration.js";
import type { Items } from "../services/items.js";
import type { ItemPage, ListedItem } from "../storage/items.js";
import type { User } from "../storage/users.js";

/** Reads at once what resolvers ask for one by one. */
export interface Loaders {
  /** A page of a user's items. */
  items(page: ItemPage, options: { withDescription: boolean }): Promise<ListedItem[]>;
  /** A user by id. */
  user(id: string): Promise<User | undefined>;
}

/**
 * Loaders for one request. Pages that several fields ask for in the same step of the execution, aliases of one field
 * among them, are read together, and of those that begin at the same item only the largest. Nothing is remembered after
 * that: the next field of a mutation must see what the one before it wrote.
 */
export function createLoaders({
  items,
  administration,
}: {
  items: Items;
  administration: Administration;
}): Loaders {
  const loaderOf = (withDescription: boolean) =>
    new DataLoader<ItemPage, ListedItem[]>(
      async (pages) => {
        const largest = new Map<string, ItemPage>();
        for (const page of pages) {
          const first = Math.max(page.first, largest.get(startOf(page))?.first ?? 0);
          largest.set(startOf(page), { ...page, first });
        }
        const found = await items.listPages([...largest.values()], { withDescription });
        const byStart = new Map([...largest.keys()].map((start, n) => [start, found[n]!]));
        return pages.map((page) => byStart.get(startOf(page))!.slice(0, page.first));
      },
      { cache: false },
    );
  const loadUsers = async (ids: readonly string[]) => {
    const users = await administration.find([...new Set(ids)]);
    return ids.map((id) => users.get(id));
  };
  let users: DataLoader<string, User | undefined> | undefined;
  // Most requests need none.
  const loaders = new Map<boolean, ReturnType<typeof loaderOf>>();
  return {
    items(page, { withDescription }) {
      const loader = loaders.get(withDescription) ?? loaderOf(withDescription);
      loaders.set(withDescription, loader);
      return loader.load(page);
    },
    user(id) {
      users ??= new DataLoader(loadUsers, { cache: false });
      return users.load(id);
    },
  };
}

function startOf({ ownerId, after = "" }: ItemPage): string {
  return `${ownerId} ${after}`;
}
