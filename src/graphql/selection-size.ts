import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isObjectType,
  Kind,
  type SelectionSetNode,
} from "graphql";
import { MAX_PAGE } from "./connection.js";
import { isOncePerRequest } from "./once-per-request.js";

export type Variables = Readonly<Record<string, unknown>>;

/** How large a selection set is with all that its fragments stand for. */
export interface SelectionSize {
  depth: number;
  rootFields: number;
  oncePerRequest: number;
  fields: number;
  /** How many values it may give, by the pages it asks for. */
  values: number;
}

/** The document's fragments by their names. */
export function fragmentsOf(document: DocumentNode): Map<string, FragmentDefinitionNode> {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  return fragments;
}

/**
 * A function that measures selection sets of the document, given the type they are of; each fragment is looked at
 * once, however often it is spread.
 * @param variables what `first` may be given by; null and what is missing counts as not given
 */
export function selectionSizes(document: DocumentNode, schema: GraphQLSchema, variables: Variables = {}) {
  const fragments = fragmentsOf(document);
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
      values: 1 + inner.values * pageSize(field, definition, variables),
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
function pageSize(
  field: FieldNode,
  definition: GraphQLField<unknown, unknown> | undefined,
  variables: Variables,
): number {
  const argument = definition?.args.find(({ name }) => name === "first");
  if (argument === undefined) return 1;
  const value = field.arguments?.find(({ name }) => name.value === "first")?.value;
  let first: unknown;
  if (value?.kind === Kind.INT) first = Number(value.value);
  else if (value?.kind === Kind.VARIABLE) first = variables[value.name.value];
  const size = Number(first ?? argument.defaultValue);
  // The field itself refuses another size, and gives nothing.
  return size >= 1 && size <= MAX_PAGE ? size : 1;
}

function objectType(schema: GraphQLSchema, name: string): GraphQLObjectType | undefined {
  return asObjectType(schema.getType(name));
}

function asObjectType(type: unknown): GraphQLObjectType | undefined {
  return isObjectType(type) ? type : undefined;
}
