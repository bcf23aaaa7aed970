import {
  type GraphQLFormattedError,
  type GraphQLSchema,
  Kind,
  parse,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from "graphql";

/**
 * Codes that any field can return, so that descriptions need not name them. Any field with `@auth` can return
 * what REQUIRE_MFA makes it, which the description of the directive names.
 */
const ANYWHERE = ["INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE"];

/**
 * Returns the errors that the description of their field does not name, as `Type.field: CODE`.
 * @param errors the errors in the answer to the query
 */
export function undescribedErrors(
  schema: GraphQLSchema,
  query: string,
  errors: readonly GraphQLFormattedError[],
): string[] {
  return errors.flatMap(({ message, path, extensions }) => {
    const code = String(extensions?.["code"]);
    if (path === undefined || ANYWHERE.includes(code)) return [];
    const names = path.filter((key) => typeof key === "string");
    const field = fieldAt(schema, query, names);
    const ofRequireMfa =
      code === "MFA_ENROLLMENT_REQUIRED" || message.startsWith("This session has not used");
    if (ofRequireMfa && field?.guarded) return [];
    return field?.description.includes(`\`${code}\``) ? [] : `${field?.name ?? names.join(".")}: ${code}`;
  });
}

/** Finds the field of the schema that a path in an answer leads to, through aliases and fragments. */
function fieldAt(schema: GraphQLSchema, query: string, path: readonly string[]) {
  let found: { name: string; description: string; guarded: boolean } | undefined;
  const typeInfo = new TypeInfo(schema);
  const keys: string[] = [];
  visit(
    parse(query),
    visitWithTypeInfo(typeInfo, {
      enter(node) {
        if (node.kind !== Kind.FIELD) return;
        keys.push((node.alias ?? node.name).value);
        const field = typeInfo.getFieldDef();
        // The keys within a fragment are only the end of the path.
        if (field && path.join().endsWith(keys.join()) && keys.at(-1) === path.at(-1))
          found ??= {
            name: `${typeInfo.getParentType()}.${field.name}`,
            description: field.description ?? "",
            guarded: field.extensions["directives"] !== undefined,
          };
      },
      leave(node) {
        if (node.kind === Kind.FIELD) keys.pop();
      },
    }),
  );
  return found;
}
