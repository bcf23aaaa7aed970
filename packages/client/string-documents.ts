import { createHash } from "node:crypto";
import {
  type ASTNode,
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLSchema,
  Kind,
  print,
  stripIgnoredCharacters,
  visit,
} from "graphql";

interface Config {
  /** Whether to write a manifest of persisted documents instead: the texts by their ids. */
  manifest?: boolean;
}

/** Writes each operation as a string with types: a bundler drops those that are not used. */
export function plugin(_schema: GraphQLSchema, files: { document?: DocumentNode }[], { manifest }: Config) {
  const operations = textsOf(files.flatMap(({ document }) => document?.definitions ?? []));
  if (manifest) {
    const entries = operations.map(({ text }) => [
      `sha256:${createHash("sha256").update(text).digest("hex")}`,
      text,
    ]);
    return `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`;
  }
  const constants = operations.map(
    ({ name, kind, text }) =>
      `export const ${name}Document = ${JSON.stringify(text)} as TypedText<${name}${kind}, ${name}${kind}Variables>;`,
  );
  return {
    prepend: [`import type { TypedText } from "./typed-document.js";`],
    content: constants.join("\n"),
  };
}

/** The operations, each with the fragments that it uses. */
function textsOf(definitions: readonly ASTNode[]) {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const node of definitions)
    if (node.kind === Kind.FRAGMENT_DEFINITION) fragments.set(node.name.value, node);

  function fragmentsIn(node: ASTNode, found: Set<FragmentDefinitionNode>): Set<FragmentDefinitionNode> {
    visit(node, {
      FragmentSpread({ name }) {
        const fragment = fragments.get(name.value)!;
        if (!found.has(fragment)) fragmentsIn(fragment, found.add(fragment));
      },
    });
    return found;
  }

  return definitions.flatMap((node) => {
    if (node.kind !== Kind.OPERATION_DEFINITION) return [];
    const text = [node, ...fragmentsIn(node, new Set())].map(print).join("\n");
    return {
      name: node.name!.value,
      kind: node.operation === "query" ? "Query" : "Mutation",
      text: stripIgnoredCharacters(text),
    };
  });
}
