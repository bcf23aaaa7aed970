/** The types of a document, as GraphQL Code Generator notes them down. They exist for the compiler only. */
interface Types<Data, Variables> {
  __apiType?: (variables: Variables) => Data;
}

/** A document as text, with types: those of `@latchkey/client/documents`. */
export type TypedText<Data, Variables> = string & Types<Data, Variables>;

/** A document as text, or as the typed strings of GraphQL Code Generator. */
export type TypedDocument<Data, Variables> = string | ({ toString(): string } & Types<Data, Variables>);
