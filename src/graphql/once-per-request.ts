import { DirectiveLocation, GraphQLDirective, type GraphQLField } from "graphql";
import { Directive } from "type-graphql";

const NAME = "oncePerRequest";

/**
 * Declares a root field that takes a password, a token or an address to send an email to: a request runs one of
 * them at most, or aliases would make a hundred guesses of one. The document limits enforce it, and the schema
 * shows it.
 */
export const OncePerRequest = () => Directive(`@${NAME}`);

/** The directive that the schema shows it with. */
export const oncePerRequestDirective = new GraphQLDirective({
  name: NAME,
  description: "A request runs one field with this directive at most.",
  locations: [DirectiveLocation.FIELD_DEFINITION],
});

/** Whether a field is declared so. */
export function isOncePerRequest(field: GraphQLField<unknown, unknown>): boolean {
  return field.astNode?.directives?.some(({ name }) => name.value === NAME) ?? false;
}
