import {
  type GraphQLFormattedError,
  type GraphQLSchema,
  Kind,
  parse,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from "graphql";

/** Any field can fail so. */
const ANYWHERE = ["INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE"];

/**
 * Of these errors those that the descriptions of the fields they came from do not name, as `Type.field: CODE`. A
 * field's guard is named where the field is, or where the one above it is.
 */
export function undescribedErrors(
  schema: GraphQLSchema,
  query: string,
  errors: readonly GraphQLFormattedError[],
): string[] {
  return errors.flatMap(({ path, extensions }) => {
    const code = String(extensions?.["code"]);
    if (path === undefined || ANYWHERE.includes(code)) return [];
    const names = path.filter((key) => typeof key === "string");
    const field = fieldAt(schema, query, names);
    return field?.description.includes(`\`${code}\``) ? [] : `${field?.name ?? names.join(".")}: ${code}`;
  });
}

/** The field of the schema that a path in an answer leads to, through aliases and fragments. */
function fieldAt(schema: GraphQLSchema, query: string, path: readonly string[]) {
  let found: { name: string; description: string } | undefined;
  const typeInfo = new TypeInfo(schema);
  const keys: string[] = [];
  visit(
    parse(query),
    visitWithTypeInfo(typeInfo, {
      enter(node) {
        if (node.kind !== Kind.FIELD) return;
        keys.push((node.alias ?? node.name).value);
        const field = typeInfo.getFieldDef();
        // What stands in a fragment is below somewhere else.
        if (field && path.join().endsWith(keys.join()) && keys.at(-1) === path.at(-1))
          found ??= {
            name: `${typeInfo.getParentType()}.${field.name}`,
            description: field.description ?? "",
          };
      },
      leave(node) {
        if (node.kind === Kind.FIELD) keys.pop();
      },
    }),
  );
  return found;
}
