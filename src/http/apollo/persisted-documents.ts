import { readFile } from "node:fs/promises";
import type { FastifyRequest } from "fastify";
import { LatchkeyError } from "../../errors.js";

/** The documents the API is restricted to, by their ids. */
export type PersistedDocuments = ReadonlyMap<string, string>;

/**
 * Reads a manifest as GraphQL Code Generator writes it (`persistedDocuments: true`): a JSON object of texts by id.
 * @throws when it cannot be read, or is none
 */
export async function readPersistedDocuments(file: string): Promise<PersistedDocuments> {
  const manifest = parse(await readFile(file, "utf8"));
  const texts = Object.values(manifest ?? {});
  if (Array.isArray(manifest) || texts.length === 0 || texts.some((text) => typeof text !== "string")) {
    throw new Error(
      "it must be a JSON object of documents by their ids, as GraphQL Code Generator writes it",
    );
  }
  return new Map(Object.entries(manifest as Record<string, string>));
}

/**
 * Puts the text of the document that a request names in the place of whatever text it brought: `documentId` as in
 * GraphQL over HTTP's appendix, or `extensions.persistedQuery.sha256Hash` as Apollo Client sends it.
 * @throws PERSISTED_DOCUMENT_NOT_FOUND when it names none of them, or brings a text only
 */
export function insertPersistedDocument(request: FastifyRequest, documents: PersistedDocuments): void {
  const { pathname, searchParams } = new URL(request.url, "http://localhost");
  if (request.method === "GET") {
    const query = textFor(
      {
        query: searchParams.get("query"),
        documentId: searchParams.get("documentId"),
        extensions: parse(searchParams.get("extensions") ?? "null"),
      },
      documents,
    );
    for (const name of ["query", "documentId", "extensions"]) searchParams.delete(name);
    if (query !== undefined) searchParams.set("query", query);
    request.raw.url = `${pathname}?${searchParams}`;
  } else if (isObject(request.body)) {
    const { documentId: _id, extensions: _hash, ...rest } = request.body;
    request.body = { ...rest, query: textFor(request.body, documents) };
  }
}

/** The text to run; undefined when the request asks for none. */
function textFor(
  { query, documentId, extensions }: Record<string, unknown>,
  documents: PersistedDocuments,
): string | undefined {
  const persistedQuery = isObject(extensions) ? extensions["persistedQuery"] : undefined;
  const id = documentId ?? (isObject(persistedQuery) ? persistedQuery["sha256Hash"] : undefined);
  const text = typeof id === "string" ? documents.get(id) : undefined;
  if (text === undefined && (id != null || query)) {
    throw new LatchkeyError(
      "PERSISTED_DOCUMENT_NOT_FOUND",
      id == null
        ? "Only persisted documents are run: send the id of one as `documentId`, and no `query`."
        : "No persisted document has this id: add the document to the manifest of PERSISTED_DOCUMENTS.",
    );
  }
  return text;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
