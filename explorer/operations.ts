import { readFileSync } from "node:fs";
import { Kind, parse, type Token, TokenKind } from "graphql";
import type { OperationGroup, PreparedOperation } from "./src/prepared-operation.ts";

/** The files of explorer/operations/, in the order of the page. */
const GROUPS = [
  "account",
  "sign-in",
  "sign-up",
  "session",
  "email",
  "second-factors",
  "items",
  "administration",
  "audit-log",
];

/** Reads the prepared operations. The comments before one are its description, then its variables as a JSON object. */
export function readOperations(): OperationGroup[] {
  return GROUPS.map((name) => {
    const source = readFileSync(`explorer/operations/${name}.graphql`, "utf8");
    const title = /^# (.+)\n\n/.exec(source)![1]!;
    return { title, operations: operationsOf(source) };
  });
}

function operationsOf(source: string): PreparedOperation[] {
  return parse(source).definitions.map((definition) => {
    if (definition.kind !== Kind.OPERATION_DEFINITION || definition.operation === "subscription")
      throw new Error(`There is a ${definition.kind} among the operations.`);
    const { start, end, startToken } = definition.loc!;
    const comments = commentsBefore(startToken);
    const variables = comments.find((comment) => comment.startsWith("{"));
    return {
      name: definition.name!.value,
      kind: definition.operation,
      description: comments.filter((comment) => comment !== variables).join(" "),
      document: source.slice(start, end),
      variables: variables === undefined ? "" : JSON.stringify(JSON.parse(variables), null, 2),
    };
  });
}

/** The lines of the comment that ends on the line before the token. */
function commentsBefore({ prev, line }: Token): string[] {
  if (prev?.kind !== TokenKind.COMMENT || prev.line !== line - 1) return [];
  return [...commentsBefore(prev), prev.value.trim()];
}
