import type { Reader } from "./reader.js";

/** The pages to try the API in, and what they need. */
export interface Pages {
  readonly apolloSandbox: boolean;
  /** Whether `/explorer` is served. */
  readonly explorer: boolean;
  /** Whether clients can read the schema, which the explorer and Apollo Sandbox need. */
  readonly introspection: boolean;
}

/** Reads APOLLO_SANDBOX and EXPLORER, which default to on in development. */
export function readPages(
  { oneOf }: Reader,
  {
    production,
    persistedDocuments,
    problems,
  }: { production: boolean; persistedDocuments: string | undefined; problems: string[] },
): Pages {
  const apolloSandbox = oneOf("APOLLO_SANDBOX", production ? "false" : "true", ["true", "false"]) === "true";
  // The explorer's documents are not persisted.
  const explorerDefault = production || persistedDocuments !== undefined ? "off" : "on";
  const explorer = oneOf("EXPLORER", explorerDefault, ["on", "off"]) === "on";
  if (explorer && persistedDocuments !== undefined) {
    problems.push(
      "EXPLORER must be off with PERSISTED_DOCUMENTS: the documents that the explorer sends are not persisted",
    );
  }
  return { apolloSandbox, explorer, introspection: explorer || apolloSandbox };
}
