/**
 * A round-robin queue of nested groups: the outermost groups take turns, then the groups within each, and so on. Within
 * an innermost group it is first in, first out. A path names an item's groups, the outermost first.
 */
export class FairQueue<T> {
  readonly #groups = new Map<string, FairQueue<T>>();
  readonly #items: T[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Whether this outermost group has any items. */
  has(group: string): boolean {
    return this.#groups.has(group);
  }

  add([group, ...rest]: readonly string[], item: T): void {
    this.#size++;
    if (group === undefined) {
      this.#items.push(item);
      return;
    }
    const queue = this.#groups.get(group) ?? new FairQueue<T>();
    this.#groups.set(group, queue);
    queue.add(rest, item);
  }

  /** Removes and returns the next item. Its groups go to the back. */
  take(): T | undefined {
    for (const [group, queue] of this.#groups) {
      const item = queue.take();
      this.#size--;
      this.#groups.delete(group);
      if (queue.size > 0) this.#groups.set(group, queue);
      return item;
    }
    if (this.#items.length > 0) this.#size--;
    return this.#items.shift();
  }

  /** Removes an item at this path. */
  remove([group, ...rest]: readonly string[], item: T): void {
    this.#size--;
    if (group === undefined) {
      this.#items.splice(this.#items.indexOf(item), 1);
      return;
    }
    const queue = this.#groups.get(group);
    queue?.remove(rest, item);
    if (queue?.size === 0) this.#groups.delete(group);
  }

  /**
   * The item to drop so that a new one at this path fits into a full queue: the newest of the largest group, unless that
   * would leave it smaller than the new item's group. Between groups of about the same size, their inner groups decide.
   * @returns undefined when the new item itself must be dropped
   */
  displacedBy([group, ...rest]: readonly string[]): T | undefined {
    if (group === undefined) return undefined;
    const own = this.#groups.get(group);
    const largest = this.#largest();
    if (largest === undefined) return undefined;
    if (largest !== own && largest.size > (own?.size ?? 0) + 1) return largest.#newest();
    return own?.displacedBy(rest);
  }

  #newest(): T | undefined {
    const largest = this.#largest();
    return largest ? largest.#newest() : this.#items.at(-1);
  }

  /** Among equals, the one whose turn comes last. */
  #largest(): FairQueue<T> | undefined {
    let largest: FairQueue<T> | undefined;
    for (const queue of this.#groups.values()) {
      if (largest === undefined || queue.size >= largest.size) largest = queue;
    }
    return largest;
  }
}
