/**
 * What waits for a turn, in groups within groups: turns go round the outermost groups, within each round its own, and
 * so on; within the innermost, first come, first served. A path names an item's groups, the outermost first.
 */
export class FairQueue<T> {
  readonly #groups = new Map<string, FairQueue<T>>();
  readonly #items: T[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Whether anything waits in this outermost group. */
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

  /** Removes the item whose turn it is, and moves its groups behind the others. */
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

  /** Removes an item that waits at the path. */
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
   * The item that makes room for a newcomer when there is none: the newest of the largest group, where that group would
   * not have fewer left than the newcomer's then has. Groups that are about even are compared by the groups within.
   * @returns undefined when the newcomer is who has to go
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

  /** Of several that are as large, the one whose turn comes last. */
  #largest(): FairQueue<T> | undefined {
    let largest: FairQueue<T> | undefined;
    for (const queue of this.#groups.values()) {
      if (largest === undefined || queue.size >= largest.size) largest = queue;
    }
    return largest;
  }
}
