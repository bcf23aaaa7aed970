import { type ASTVisitor, GraphQLError, type ValidationContext } from "graphql";

/** The validation rule that graphql-js is missing: an operation must be of a type the schema has (a subscription is not). */
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
