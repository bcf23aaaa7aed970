import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isLeafType,
  isObjectType,
  Kind,
  SchemaMetaFieldDef,
  type SelectionSetNode,
  TypeMetaFieldDef,
  TypeNameMetaFieldDef,
  valueFromAST,
} from "graphql";
import { MAX_PAGE } from "../connection.js";
import { isOncePerRequest } from "../once-per-request.js";
import { maxBytesOf, maxErrorBytesOf, maxItemsOf } from "./max-size.js";
import { MAX_REPRESENTATIONS } from "./variable-limits.js";

/** Variables after coercion to their types. */
export type CoercedVariables = Readonly<Record<string, unknown>>;

/** The size of a selection set, fragments included. */
export interface SelectionSize {
  depth: number;
  rootFields: number;
  oncePerRequest: number;
  fields: number;
  /** Aliases of introspection fields, and within them. */
  introspectionAliases: number;
  /** The most values in its answer, by its page sizes. */
  values: number;
  /** The most bytes of its answer, by its page sizes. Introspection is not counted. */
  bytes: number;
}

/** The document's fragments, by name. */
export function fragmentsOf(document: DocumentNode): Map<string, FragmentDefinitionNode> {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  return fragments;
}

/**
 * Returns a function that measures a selection set of the document, given its type. Each fragment is measured once,
 * however often it is spread.
 * @param variables for page sizes that variables set; undefined: such a page counts with the most objects it can have
 */
export function selectionSizes(document: DocumentNode, schema: GraphQLSchema, variables?: CoercedVariables) {
  const fragments = fragmentsOf(document);
  const measured = new Map<string, SelectionSize>();

  function sizeOfFragment(name: string): SelectionSize {
    const known = measured.get(name);
    if (known !== undefined) return known;
    const fragment = fragments.get(name);
    // A fragment within itself finds this; validation rejects the cycle.
    measured.set(name, EMPTY);
    if (fragment === undefined) return EMPTY;
    const size = sizeOf(fragment.selectionSet, objectType(schema, fragment.typeCondition.name.value));
    measured.set(name, size);
    return size;
  }

  function sizeOfField(field: FieldNode, type: GraphQLObjectType | undefined): SelectionSize {
    const name = field.name.value;
    const definition = META_FIELDS[name] ?? type?.getFields()[name];
    const about = definition && getNamedType(definition.type);
    const inner = field.selectionSet === undefined ? EMPTY : sizeOf(field.selectionSet, asObjectType(about));
    const introspects = INTROSPECTION.has(name) || type?.name.startsWith("__");
    const count = introspects || definition === undefined ? 1 : countOf(field, definition, variables);
    const key = (field.alias ?? field.name).value;
    const each =
      isLeafType(about) && definition
        ? maxBytesOf(definition)
        : Math.max(inner.bytes + "{}".length, definition ? maxErrorBytesOf(definition, key) : 0);
    return {
      depth: 1 + inner.depth,
      rootFields: 1,
      oncePerRequest: definition && isOncePerRequest(definition) ? 1 : 0,
      fields: 1 + inner.fields,
      introspectionAliases: inner.introspectionAliases + (introspects && field.alias ? 1 : 0),
      values: 1 + inner.values * count,
      bytes: introspects ? 0 : key.length + AROUND_FIELD + count * (each + COMMA),
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
      total.introspectionAliases += size.introspectionAliases;
      total.values += size.values;
      total.bytes += size.bytes;
    }
    return total;
  }

  return sizeOf;
}

const EMPTY: SelectionSize = {
  depth: 0,
  rootFields: 0,
  oncePerRequest: 0,
  fields: 0,
  introspectionAliases: 0,
  values: 0,
  bytes: 0,
};

/** The fields that return the schema. */
const INTROSPECTION = new Set(["__schema", "__type", "_service"]);

const COMMA = 1;
/** The punctuation of a field in JSON, as the longest, a list, has it. */
const AROUND_FIELD = '"":[],'.length;

/** The fields that every type has, or only the query type. */
const META_FIELDS: Partial<Record<string, GraphQLField<unknown, unknown>>> = {
  __schema: SchemaMetaFieldDef,
  __type: TypeMetaFieldDef,
  __typename: { ...TypeNameMetaFieldDef, extensions: { maxBytes: 64 } },
};

/** The most objects that a field returns: its argument `first`, one for each of `representations`, or what it declares. */
function countOf(
  field: FieldNode,
  definition: GraphQLField<unknown, unknown>,
  variables: CoercedVariables | undefined,
): number {
  const sizing = definition.args.find(({ name }) => name === "first" || name === "representations");
  if (sizing === undefined) return maxItemsOf(definition);
  const max = sizing.name === "first" ? MAX_PAGE : MAX_REPRESENTATIONS;
  const value = field.arguments?.find(({ name }) => name.value === sizing.name)?.value;
  let given: unknown;
  // Its values may be variables.
  if (value?.kind === Kind.LIST) given = value.values;
  else if (value?.kind !== Kind.VARIABLE) given = valueFromAST(value, sizing.type);
  else if (variables === undefined) return max;
  // Every JavaScript object inherits properties, such as `constructor`.
  else if (Object.hasOwn(variables, value.name.value)) given = variables[value.name.value];
  if (given === undefined) given = sizing.defaultValue;
  const size = Array.isArray(given) ? given.length : Number(given);
  // The field rejects any other size, and returns nothing.
  return size >= 1 && size <= max ? size : 1;
}

function objectType(schema: GraphQLSchema, name: string): GraphQLObjectType | undefined {
  return asObjectType(schema.getType(name));
}

function asObjectType(type: unknown): GraphQLObjectType | undefined {
  return isObjectType(type) ? type : undefined;
}
