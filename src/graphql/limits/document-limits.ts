import {
  type ASTVisitor,
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  getVariableValues,
  Kind,
  type OperationDefinitionNode,
  type ValidationRule,
  visit,
} from "graphql";
import { type CoercedVariables, selectionSizes } from "./selection-size.js";

/** The most tokens of a document: the parser's `maxTokens`. */
export const MAX_TOKENS = 1000;

/** The most errors that are reported for a document. */
export const MAX_ERRORS = 5;

/**
 * The limits of a document, far above what clients send. The deepest usual document is the introspection query, with
 * 15 levels. The contents of a fragment count at each place where it is spread.
 */
const LIMITS = {
  aliases: [50, "aliases"],
  directives: [50, "directives"],
  listItems: [100, "items in a list"],
  depth: [20, "levels of selections"],
  rootFields: [20, "root fields"],
  fields: [300, "fields, with those that fragments bring"],
  introspectionAliases: [0, "aliases within introspection"],
  oncePerRequest: [1, "field with @oncePerRequest: send each in a request of its own"],
} satisfies Record<string, [max: number, what: string]>;

/** The most values in an answer, by its page sizes: a page of 100 in a page of 100, with two fields each. */
const MAX_VALUES = 20_000;

/**
 * Rejects a document that would take too much work to validate and run. No other rule then visits the document.
 */
export const documentLimits: ValidationRule = (context): ASTVisitor => ({
  Document(document) {
    const problem = problemOf(document, context.getSchema());
    if (problem === undefined) return undefined;
    context.reportError(new GraphQLError(problem));
    // Removes the document, so that no other rule visits it.
    return null;
  },
});

/**
 * Returns a function that rejects an operation whose answer could be too large with these variables, before anything
 * runs. Variables of the wrong type are left to the execution, which rejects them. An operation whose answer is small
 * enough with all variables is measured once.
 * @param maxBytes the limit of the answer
 */
export function answerSizeLimit(schema: GraphQLSchema, maxBytes: number) {
  const alwaysFits = new WeakMap<OperationDefinitionNode, boolean>();

  function problemWith(
    document: DocumentNode,
    { operation, selectionSet }: OperationDefinitionNode,
    variables?: CoercedVariables,
  ): string | undefined {
    const sizeOf = selectionSizes(document, schema, variables);
    const size = sizeOf(selectionSet, schema.getRootType(operation) ?? undefined);
    if (size.values > MAX_VALUES)
      return `The document has more than ${MAX_VALUES} values in its answer, by the pages it asks for.`;
    if (size.bytes > maxBytes)
      return `The answer could take more than ${maxBytes} bytes: ask for fewer items or fields.`;
    return undefined;
  }

  /** @throws GraphQLError GRAPHQL_VALIDATION_FAILED */
  return (
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Readonly<Record<string, unknown>>,
  ): void => {
    let fits = alwaysFits.get(operation);
    if (fits === undefined) {
      fits = problemWith(document, operation) === undefined;
      alwaysFits.set(operation, fits);
    }
    if (fits) return;
    const definitions = operation.variableDefinitions ?? [];
    const { coerced } = getVariableValues(schema, definitions, variables, { maxErrors: MAX_ERRORS });
    const problem = coerced && problemWith(document, operation, coerced);
    if (problem !== undefined) throw tooLarge(problem);
  };
}

function tooLarge(message: string): GraphQLError {
  return new GraphQLError(message, {
    extensions: { code: "GRAPHQL_VALIDATION_FAILED", http: { status: 400 } },
  });
}

function problemOf(document: DocumentNode, schema: GraphQLSchema): string | undefined {
  const exceeded = (size: Partial<Record<string, number>>) => {
    const limit = Object.entries(LIMITS).find(([name, [max]]) => (size[name] ?? 0) > max)?.[1];
    return limit && `The document has more than ${limit[0]} ${limit[1]}.`;
  };
  const problem = exceeded(sizeOfText(document));
  if (problem !== undefined) return problem;
  const sizeOf = selectionSizes(document, schema);
  for (const definition of document.definitions) {
    if (definition.kind === Kind.OPERATION_DEFINITION) {
      const size = sizeOf(definition.selectionSet, schema.getRootType(definition.operation) ?? undefined);
      const operationProblem = exceeded({ ...size });
      if (operationProblem !== undefined) return operationProblem;
    } else if (definition.kind === Kind.FRAGMENT_DEFINITION) {
      // A fragment that is never spread is validated too.
      const { depth, fields } = sizeOf(definition.selectionSet, undefined);
      const fragmentProblem = exceeded({ depth, fields });
      if (fragmentProblem !== undefined) return fragmentProblem;
    }
  }
  return undefined;
}

/** Counts that need no schema. */
function sizeOfText(document: DocumentNode) {
  const size = { aliases: 0, directives: 0, listItems: 0 };
  visit(document, {
    Field({ alias }) {
      if (alias) size.aliases++;
    },
    Directive() {
      size.directives++;
    },
    ListValue({ values }) {
      size.listItems = Math.max(size.listItems, values.length);
    },
  });
  return size;
}
