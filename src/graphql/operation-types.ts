import { type ASTVisitor, GraphQLError, type ValidationContext } from "graphql";

/** A validation rule that graphql-js lacks: the schema must have the operation's type. This one has no subscriptions. */
export function operationTypeRule(context: ValidationContext): ASTVisitor {
  return {
    OperationDefinition(node) {
      if (context.getSchema().getRootType(node.operation) == null) {
        context.reportError(new GraphQLError(`The schema has no ${node.operation}.`, { nodes: node }));
      }
      return undefined;
    },
  };
}
