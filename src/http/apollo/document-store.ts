import type { DocumentNode } from "graphql";

/**
 * What a parsed document takes on the heap, in bytes: never less than was measured of any kind of document. A token
 * is a node of the tree or two, with their locations; a character is up to two bytes of the text, and 16 more where
 * it is half of an escape in a string. Comments are tokens too, and no limit counts them.
 */
const TOKEN_BYTES = 500;
const CHARACTER_BYTES = 18;

/**
 * Keeps parsed and validated documents, those that were used last, within a bound of what they really take. Apollo's
 * own store measures them as JSON, which a parsed document can be 4,000 times as large as.
 */
export class DocumentStore {
  readonly #documents = new Map<string, { document: DocumentNode; bytes: number }>();
  #bytes = 0;

  constructor(private readonly maxBytes: number) {}

  /** What the documents in it take at most. */
  get bytes(): number {
    return this.#bytes;
  }

  async get(key: string): Promise<DocumentNode | undefined> {
    const found = this.#documents.get(key);
    if (found === undefined) return undefined;
    // A Map remembers the order of insertion.
    this.#documents.delete(key);
    this.#documents.set(key, found);
    return found.document;
  }

  async set(key: string, document: DocumentNode): Promise<void> {
    this.#remove(key);
    const bytes = bytesOf(document);
    if (bytes > this.maxBytes) return;
    this.#documents.set(key, { document, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#documents.keys()) {
      if (this.#bytes <= this.maxBytes) break;
      this.#remove(oldest);
    }
  }

  async delete(key: string): Promise<void> {
    this.#remove(key);
  }

  #remove(key: string): void {
    this.#bytes -= this.#documents.get(key)?.bytes ?? 0;
    this.#documents.delete(key);
  }
}

function bytesOf({ loc }: DocumentNode): number {
  // Documents come from the parser, which locates them.
  if (loc === undefined) return Number.POSITIVE_INFINITY;
  let tokens = 0;
  for (let token = loc.startToken; token.next !== null; token = token.next) tokens++;
  return tokens * TOKEN_BYTES + loc.source.body.length * CHARACTER_BYTES;
}
