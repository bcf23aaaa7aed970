import { readFile } from "node:fs/promises";
import type { FastifyRequest } from "fastify";
import { LatchkeyError } from "../../errors.js";

/** The only documents that the API runs, by id. */
export type PersistedDocuments = ReadonlyMap<string, string>;

/**
 * Reads a manifest of GraphQL Code Generator (`persistedDocuments: true`): a JSON object of document texts by id.
 * @throws when the file cannot be read or has another form
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
 * Replaces the request's document by the persisted one that it names: by `documentId` (GraphQL over HTTP, appendix A) or
 * by `extensions.persistedQuery.sha256Hash`, as Apollo Client sends it.
 * @throws PERSISTED_DOCUMENT_NOT_FOUND when the id is unknown, or the request has a document without an id
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

/** The text to run; undefined when the request names no document. */
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
        ? "Only persisted documents are run: send the id of one as `documentId`, without `query`."
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
