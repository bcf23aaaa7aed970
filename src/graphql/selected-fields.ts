import { type FragmentDefinitionNode, type GraphQLResolveInfo, Kind, type SelectionSetNode } from "graphql";

/**
 * The names of the fields that a selection set selects, through its fragments; each fragment is visited once.
 * A field with `@skip` or `@include` counts as selected.
 */
export function selectedFields(
  { selections }: SelectionSetNode,
  fragmentOf: (name: string) => FragmentDefinitionNode | undefined,
  fields = new Set<string>(),
  visited = new Set<string>(),
): Set<string> {
  for (const selection of selections) {
    if (selection.kind === Kind.FIELD) {
      fields.add(selection.name.value);
    } else if (selection.kind === Kind.INLINE_FRAGMENT) {
      selectedFields(selection.selectionSet, fragmentOf, fields, visited);
    } else if (!visited.has(selection.name.value)) {
      visited.add(selection.name.value);
      const fragment = fragmentOf(selection.name.value);
      if (fragment) selectedFields(fragment.selectionSet, fragmentOf, fields, visited);
    }
  }
  return fields;
}

/** Whether the field being resolved is asked for its subfield `name`. */
export function asksFor({ fieldNodes, fragments }: GraphQLResolveInfo, name: string): boolean {
  return fieldNodes.some(
    ({ selectionSet }) =>
      selectionSet !== undefined && selectedFields(selectionSet, (fragment) => fragments[fragment]).has(name),
  );
}
