import type { ApolloServerPlugin } from "@apollo/server";
import { type DocumentNode, type GraphQLError, Kind, type OperationDefinitionNode } from "graphql";
import { SECOND } from "../../clock.js";
import type { Context } from "../../graphql/context.js";
import { fragmentsOf } from "../../graphql/limits/selection-size.js";
import { selectedFields } from "../../graphql/selected-fields.js";
import type { Metrics } from "../../metrics.js";
import type { RequestFacts } from "../hooks/request-log.js";

/** The context of a request, with the facts for its log line. */
export interface DescribedContext extends Context {
  facts: RequestFacts;
}

/** Adds GraphQL operations to the log and the metrics, by their root fields: the client chooses their names. */
export function describeOperations(metrics: Metrics): ApolloServerPlugin<DescribedContext> {
  return {
    async requestDidStart() {
      const startedAt = performance.now();
      return {
        async willSendResponse({ operation, document, errors = [], contextValue, response: { body } }) {
          const { facts } = contextValue;
          const roots = operation && document && rootFieldsOf(operation, document);
          if (roots !== undefined) facts.operation = roots.join(" ");
          const { code, reason, errorId } =
            (body.kind === "single" ? body.singleResult.errors?.[0]?.extensions : undefined) ?? {};
          if (code !== undefined) Object.assign(facts, { code, reason, errorId });
          const failed = new Set(errors.flatMap(fieldNames));
          if (failed.size > 0) facts.fields = [...failed];
          metrics.graphqlRequestAnswered(
            roots === undefined ? "invalid" : roots.length === 1 ? roots[0]! : "several",
            code === undefined ? "OK" : String(code),
            (performance.now() - startedAt) / SECOND,
          );
        },
      };
    },
  };
}

/** Of operations in the document store. */
const knownRootFields = new WeakMap<OperationDefinitionNode, string[]>();

function rootFieldsOf(operation: OperationDefinitionNode, document: DocumentNode): string[] {
  const known = knownRootFields.get(operation);
  if (known !== undefined) return known;
  const fragments = fragmentsOf(document);
  const roots = [...selectedFields(operation.selectionSet, (name) => fragments.get(name))];
  knownRootFields.set(operation, roots);
  return roots;
}

/** The fields of an error with a path. They were executed, so their names are in the schema. */
function fieldNames({ nodes = [], path }: GraphQLError): string[] {
  return path === undefined ? [] : nodes.flatMap((node) => (node.kind === Kind.FIELD ? node.name.value : []));
}
