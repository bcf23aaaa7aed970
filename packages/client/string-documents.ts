import {
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLSchema,
  Kind,
  print,
  stripIgnoredCharacters,
  visit,
} from "graphql";

/** Writes each operation as a string with types: a bundler drops those that are not used. */
export function plugin(_schema: GraphQLSchema, files: { document?: DocumentNode }[]) {
  const definitions = files.flatMap(({ document }) => document?.definitions ?? []);
  const fragments = new Map(
    definitions.flatMap((node) => (node.kind === Kind.FRAGMENT_DEFINITION ? [[node.name.value, node]] : [])),
  );
  const documents = definitions.flatMap((node) => {
    if (node.kind !== Kind.OPERATION_DEFINITION) return [];
    const used = new Set<FragmentDefinitionNode>();
    visit(node, { FragmentSpread: ({ name }) => void used.add(fragments.get(name.value)!) });
    const text = stripIgnoredCharacters([node, ...used].map(print).join("\n"));
    const name = node.name!.value;
    const kind = node.operation === "query" ? "Query" : "Mutation";
    return `export const ${name}Document = ${JSON.stringify(text)} as TypedText<${name}${kind}, ${name}${kind}Variables>;`;
  });
  return {
    prepend: [`import type { TypedText } from "./typed-document.js";`],
    content: documents.join("\n"),
  };
}
