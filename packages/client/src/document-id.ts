/** A document of GraphQL Code Generator's client preset, which may know its id. */
interface Generated {
  __meta__?: Record<string, unknown>;
}

/**
 * The id of a document for a server that runs persisted documents only: that of GraphQL Code Generator if it has noted
 * one, else its SHA-256, as in `@latchkey/client/persisted-documents.json`. Computing it needs a secure context: https or
 * localhost.
 */
export async function sha256DocumentId(document: { toString(): string }): Promise<string> {
  const known = (document as Generated).__meta__?.["hash"];
  if (typeof known === "string") return known;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(`${document}`));
  return `sha256:${Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
