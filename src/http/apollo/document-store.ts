import type { DocumentNode } from "graphql";

/**
 * An upper bound for the heap size of a parsed document, in bytes, from measurements of every kind of document. A token
 * makes one or two nodes with their locations. A character takes up to two bytes, and 16 more where it is half of an
 * escape in a string. Comments are tokens too, and the parser's limit does not count them.
 */
const TOKEN_BYTES = 500;
const CHARACTER_BYTES = 18;

/**
 * A cache of parsed and validated documents, bounded by their heap size; the least recently used go first. Apollo's own
 * store measures documents as JSON, and a parsed document can be 4,000 times as large as that.
 */
export class DocumentStore {
  readonly #documents = new Map<string, { document: DocumentNode; bytes: number }>();
  #bytes = 0;

  constructor(private readonly maxBytes: number) {}

  /** The upper bound for the heap size of the stored documents. */
  get bytes(): number {
    return this.#bytes;
  }

  async get(key: string): Promise<DocumentNode | undefined> {
    const found = this.#documents.get(key);
    if (found === undefined) return undefined;
    // A Map keeps the order of insertion.
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
  // The parser adds locations to every document.
  if (loc === undefined) return Number.POSITIVE_INFINITY;
  let tokens = 0;
  for (let token = loc.startToken; token.next !== null; token = token.next) tokens++;
  return tokens * TOKEN_BYTES + loc.source.body.length * CHARACTER_BYTES;
}
