import { DirectiveLocation, GraphQLDirective, type GraphQLField } from "graphql";
import { Directive } from "type-graphql";

const NAME = "oncePerRequest";

/**
 * Declares a root field that takes a password, a token or an email address. A request runs at most one such field:
 * aliases would turn one request into many guesses. The document limits enforce it, and the schema shows it.
 */
export const OncePerRequest = () => Directive(`@${NAME}`);

/** The directive in the schema. */
export const oncePerRequestDirective = new GraphQLDirective({
  name: NAME,
  description: "A request can run at most one field with this directive.",
  locations: [DirectiveLocation.FIELD_DEFINITION],
});

/** Whether a field has the directive. */
export function isOncePerRequest(field: GraphQLField<unknown, unknown>): boolean {
  return field.astNode?.directives?.some(({ name }) => name.value === NAME) ?? false;
}
