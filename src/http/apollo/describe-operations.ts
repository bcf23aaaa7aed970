import type { ApolloServerPlugin } from "@apollo/server";
import { type FragmentDefinitionNode, type GraphQLError, Kind, type SelectionSetNode } from "graphql";
import { SECOND } from "../../clock.js";
import type { Context } from "../../graphql/context.js";
import { fragmentsOf } from "../../graphql/limits/selection-size.js";
import type { Metrics } from "../../metrics.js";
import type { RequestFacts } from "../hooks/request-log.js";

/** A request that knows what its line in the log will tell. */
export interface DescribedContext extends Context {
  facts: RequestFacts;
}

/** Describes GraphQL requests to the log and the metrics: by their root fields, since names are the client's to choose. */
export function describeOperations(metrics: Metrics): ApolloServerPlugin<DescribedContext> {
  return {
    async requestDidStart() {
      const startedAt = performance.now();
      return {
        async willSendResponse({ operation, document, errors = [], contextValue, response: { body } }) {
          const roots =
            operation && document ? [...rootFields(operation.selectionSet, fragmentsOf(document))] : [];
          const { code, reason, errorId } =
            (body.kind === "single" ? body.singleResult.errors?.[0]?.extensions : undefined) ?? {};
          const failed = [...new Set(errors.flatMap(fieldNames))];
          Object.assign(contextValue.facts, {
            ...(operation && { operation: roots.join(" ") }),
            ...(code !== undefined && { code, reason, errorId }),
            ...(failed.length > 0 && { fields: failed }),
          });
          metrics.graphqlRequestAnswered(
            operation === undefined ? "invalid" : roots.length === 1 ? roots[0]! : "several",
            code === undefined ? "OK" : String(code),
            (performance.now() - startedAt) / SECOND,
          );
        },
      };
    },
  };
}

/** Of what was executed, so that they are the schema's. */
function fieldNames({ nodes = [], path }: GraphQLError): string[] {
  return path === undefined ? [] : nodes.flatMap((node) => (node.kind === Kind.FIELD ? node.name.value : []));
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
