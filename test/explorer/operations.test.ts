import { readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import {
  buildSchema,
  getOperationAST,
  getVariableValues,
  type OperationDefinitionNode,
  parse,
  validate,
} from "graphql";
import { readOperations } from "../../explorer/operations.js";

const schema = buildSchema(readFileSync("schema.graphql", "utf8"));
const groups = readOperations();
const operations = groups.flatMap((group) => group.operations);

describe("the explorer's prepared operations", () => {
  test.each(operations)(
    "$name matches the schema, and so do its variables",
    ({ name, document, variables }) => {
      const parsed = parse(document);
      expect(validate(schema, parsed)).toEqual([]);
      const { variableDefinitions = [], operation } = getOperationAST(parsed, name)!;
      const values = JSON.parse(variables || "{}") as Record<string, unknown>;
      expect(getVariableValues(schema, variableDefinitions, values).errors).toBeUndefined();
      const known = variableDefinitions.map(({ variable }) => variable.name.value);
      expect(Object.keys(values).filter((each) => !known.includes(each))).toEqual([]);
      // One is named after its field.
      const [field] = rootFieldsOf(document);
      expect(field).toBe(`${name[0]!.toLowerCase()}${name.slice(1)}`);
      expect(schema.getRootType(operation)?.getFields()[field!]).toBeDefined();
    },
  );

  test("there is one in explorer/operations/ for each thing the API does", () => {
    const fields = [schema.getQueryType()!, schema.getMutationType()!].flatMap((type) =>
      Object.keys(type.getFields()),
    );
    expect(operations.flatMap(({ document }) => rootFieldsOf(document)).sort()).toEqual(fields.sort());
  });

  test("a description is a sentence", () => {
    for (const { title } of groups) expect(title).toMatch(/^[A-Z][a-z ]+$/);
    for (const { description } of operations) expect(description).toMatch(/^([A-Z].*\.)?$/);
  });
});

function rootFieldsOf(document: string): string[] {
  const { selectionSet } = parse(document).definitions[0] as OperationDefinitionNode;
  return selectionSet.selections.map((selection) =>
    selection.kind === "Field" ? selection.name.value : "…",
  );
}
