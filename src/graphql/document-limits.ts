import {
  type ASTVisitor,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isObjectType,
  Kind,
  type SelectionSetNode,
  type ValidationRule,
  visit,
} from "graphql";
import { isOncePerRequest } from "./once-per-request.js";

/** How many tokens are read of a document before it is given up: the parser's `maxTokens`. */
export const MAX_TOKENS = 1000;

/** How many errors of a document are told. */
export const MAX_ERRORS = 5;

/** What a page holds at most, and what is reckoned with where a variable says how many. */
const MAX_PAGE = 100;

/**
 * The most a document may have of each, far above what clients send; the introspection query, with 15 levels, is the
 * deepest of them. Where fragments are spread, what they stand for is counted each time.
 */
const LIMITS: Record<keyof Size, [max: number, what: string]> = {
  aliases: [50, "aliases"],
  directives: [50, "directives"],
  listItems: [100, "items in a list"],
  depth: [20, "levels of selections"],
  rootFields: [20, "root fields"],
  fields: [300, "fields, with those that fragments bring"],
  // Two pages of 100, one within the other, with ten fields each.
  values: [100_000, "values in its answer, by the pages it asks for"],
  oncePerRequest: [1, "field with @oncePerRequest: send each in a request of its own"],
};

interface Size extends SelectionSize {
  aliases: number;
  directives: number;
  listItems: number;
}

/** Of a selection set, with all that its fragments stand for. */
interface SelectionSize {
  depth: number;
  rootFields: number;
  oncePerRequest: number;
  fields: number;
  values: number;
}

/**
 * Refuses a document that is too large for the work that validating and running it would be. It looks at the document
 * before any other rule does, and when it refuses, no other rule sees it.
 */
export const documentLimits: ValidationRule = (context): ASTVisitor => ({
  Document(document) {
    const problem = problemOf(document, context.getSchema());
    if (problem === undefined) return undefined;
    context.reportError(new GraphQLError(problem));
    // There is no document anymore, so nothing to visit for anyone.
    return null;
  },
});

function problemOf(document: DocumentNode, schema: GraphQLSchema): string | undefined {
  const exceeded = (size: Partial<Size>) => {
    const names = Object.keys(size) as (keyof Size)[];
    const name = names.find((each) => size[each]! > LIMITS[each][0]);
    return name && `The document has more than ${LIMITS[name][0]} ${LIMITS[name][1]}.`;
  };
  const problem = exceeded(sizeOfText(document));
  if (problem !== undefined) return problem;
  const sizeOf = selectionSizes(document, schema);
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue;
    const operationProblem = exceeded(
      sizeOf(definition.selectionSet, schema.getRootType(definition.operation) ?? undefined),
    );
    if (operationProblem !== undefined) return operationProblem;
  }
  return undefined;
}

/** What can be counted as it is written. */
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

/** A function that measures selection sets of the document; each fragment is looked at once. */
function selectionSizes(document: DocumentNode, schema: GraphQLSchema) {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  const measured = new Map<string, SelectionSize>();

  function sizeOfFragment(name: string): SelectionSize {
    const known = measured.get(name);
    if (known !== undefined) return known;
    const fragment = fragments.get(name);
    // A fragment within itself finds this: validation refuses the cycle.
    measured.set(name, EMPTY);
    if (fragment === undefined) return EMPTY;
    const size = sizeOf(fragment.selectionSet, objectType(schema, fragment.typeCondition.name.value));
    measured.set(name, size);
    return size;
  }

  function sizeOfField(field: FieldNode, type: GraphQLObjectType | undefined): SelectionSize {
    const definition = type?.getFields()[field.name.value];
    const inner =
      field.selectionSet === undefined
        ? EMPTY
        : sizeOf(field.selectionSet, asObjectType(definition && getNamedType(definition.type)));
    return {
      depth: 1 + inner.depth,
      rootFields: 1,
      oncePerRequest: definition && isOncePerRequest(definition) ? 1 : 0,
      fields: 1 + inner.fields,
      values: 1 + inner.values * pageSize(field, definition),
    };
  }

  function sizeOf(selectionSet: SelectionSetNode, type: GraphQLObjectType | undefined): SelectionSize {
    const total = { ...EMPTY };
    for (const selection of selectionSet.selections) {
      let size: SelectionSize;
      if (selection.kind === Kind.FIELD) size = sizeOfField(selection, type);
      else if (selection.kind === Kind.FRAGMENT_SPREAD) size = sizeOfFragment(selection.name.value);
      else {
        const condition = selection.typeCondition?.name.value;
        size = sizeOf(selection.selectionSet, condition === undefined ? type : objectType(schema, condition));
      }
      total.depth = Math.max(total.depth, size.depth);
      total.rootFields += size.rootFields;
      total.oncePerRequest += size.oncePerRequest;
      total.fields += size.fields;
      total.values += size.values;
    }
    return total;
  }

  return sizeOf;
}

const EMPTY: SelectionSize = { depth: 0, rootFields: 0, oncePerRequest: 0, fields: 0, values: 0 };

/** How many objects a field may give at most, by its argument `first`. */
function pageSize(field: FieldNode, definition: GraphQLField<unknown, unknown> | undefined): number {
  const argument = definition?.args.find(({ name }) => name === "first");
  if (argument === undefined) return 1;
  const value = field.arguments?.find(({ name }) => name.value === "first")?.value;
  if (value === undefined) return Number(argument.defaultValue);
  return value.kind === Kind.INT ? Math.min(Math.max(Number(value.value), 1), MAX_PAGE) : MAX_PAGE;
}

function objectType(schema: GraphQLSchema, name: string): GraphQLObjectType | undefined {
  return asObjectType(schema.getType(name));
}

function asObjectType(type: unknown): GraphQLObjectType | undefined {
  return isObjectType(type) ? type : undefined;
}
