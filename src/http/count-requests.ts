import type { ApolloServerPlugin } from "@apollo/server";
import { type FragmentDefinitionNode, Kind, type SelectionSetNode } from "graphql";
import { fragmentsOf } from "../graphql/selection-size.js";
import type { Metrics } from "../metrics.js";

/** Tells operations apart by their root field, since their names are the client's to choose. */
export function countRequests(metrics: Metrics): ApolloServerPlugin {
  return {
    async requestDidStart() {
      return {
        async willSendResponse({ operation, document, response: { body } }) {
          const fields =
            operation && document ? rootFields(operation.selectionSet, fragmentsOf(document)) : undefined;
          const name = fields === undefined ? "invalid" : fields.size === 1 ? [...fields][0]! : "several";
          const error = body.kind === "single" ? body.singleResult.errors?.[0] : undefined;
          metrics.graphqlRequestAnswered(name, error ? String(error.extensions?.["code"]) : "OK");
        },
      };
    },
  };
}

/** Each fragment is looked into once. */
function rootFields(
  { selections }: SelectionSetNode,
  fragments: Map<string, FragmentDefinitionNode>,
  fields = new Set<string>(),
): Set<string> {
  for (const selection of selections) {
    if (selection.kind === Kind.FIELD) {
      fields.add(selection.name.value);
      continue;
    }
    const inner = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments.get(selection.name.value);
    if (selection.kind === Kind.FRAGMENT_SPREAD) fragments.delete(selection.name.value);
    if (inner) rootFields(inner.selectionSet, fragments, fields);
  }
  return fields;
}
