import { printSchemaWithDirectives } from "@graphql-tools/utils";
import {
  DirectiveLocation,
  GraphQLDirective,
  GraphQLEnumType,
  GraphQLInt,
  GraphQLNonNull,
  GraphQLSchema,
  isObjectType,
} from "graphql";
import { GraphQLDateTime } from "graphql-scalars";
import { buildSchemaSync, type ClassType, type NonEmptyArray } from "type-graphql";
import { ERROR_CODES, UNAUTHENTICATED_REASONS } from "../errors.js";
import type { Access, Requirement } from "../services/sessions/access.js";
import { authCheckerOf, describeRequirement } from "./auth-checker.js";
import { oncePerRequestDirective } from "./once-per-request.js";
import { validateArguments } from "./validation.js";

/**
 * Builds the schema from these resolvers. The list is also the container that type-graphql takes instances from.
 * @param access decides who may use a field
 */
export function createSchema(resolvers: object[], access: Access): GraphQLSchema {
  const instances = new Map(resolvers.map((resolver) => [resolver.constructor, resolver]));
  const schema = buildSchemaSync({
    resolvers: [...instances.keys()] as unknown as NonEmptyArray<ClassType>,
    container: {
      get(resolver: ClassType) {
        const instance = instances.get(resolver);
        if (instance === undefined) throw new Error(`${resolver.name} is not among the schema's resolvers`);
        return instance;
      },
    },
    authChecker: authCheckerOf(access),
    validateFn: validateArguments,
    // It would run an introspection query to see whether the schema is valid. Apollo Server checks that too.
    skipCheck: true,
    scalarsMap: [{ type: Date, scalar: GraphQLDateTime }],
  });
  describeRequirements(schema);
  const config = schema.toConfig();
  const publicFields = "A field is public unless its description says what it requires.";
  if (config.query) config.query.description = `Query fields. ${publicFields}`;
  if (config.mutation) config.mutation.description = `Mutations. ${publicFields}`;
  return new GraphQLSchema({
    ...config,
    description: "Latchkey: authentication for a GraphQL API.",
    types: [
      ...config.types,
      enumOf("ErrorCode", "The error codes, in `extensions.code`.", ERROR_CODES),
      enumOf(
        "UnauthenticatedReason",
        "Why a request is not authenticated, in `extensions.reason` of an `UNAUTHENTICATED` error.",
        UNAUTHENTICATED_REASONS,
      ),
    ],
    directives: [...config.directives, authDirective(schema), oncePerRequestDirective],
  });
}

/** The schema as SDL. */
export function printSdl(schema: GraphQLSchema): string {
  return `${printSchemaWithDirectives(schema)}\n`;
}

/** Says in each field's description what its `@auth` requires: introspection does not show directives. */
function describeRequirements(schema: GraphQLSchema): void {
  for (const type of Object.values(schema.getTypeMap()).filter(isObjectType)) {
    for (const field of Object.values(type.getFields())) {
      const { auth } = (field.extensions["directives"] ?? {}) as { auth?: Requirement };
      if (auth === undefined) continue;
      const [about, errors = ""] = field.description!.split(/(?= Errors: )/);
      field.description = `${about} ${describeRequirement(auth)}${errors}`;
    }
  }
}

function enumOf(
  name: string,
  description: string,
  values: Readonly<Record<string, string>>,
): GraphQLEnumType {
  const entries = Object.entries(values).map(([value, text]) => [value, { description: text }]);
  return new GraphQLEnumType({ name, description, values: Object.fromEntries(entries) });
}

function authDirective(schema: GraphQLSchema): GraphQLDirective {
  const role = schema.getType("Role") as GraphQLEnumType;
  return new GraphQLDirective({
    name: "auth",
    description:
      "Only a signed-in user with this role can use the field. A field without this directive is public. A user who must have a second factor (`REQUIRE_MFA`) gets `MFA_ENROLLMENT_REQUIRED` without one, and `REAUTHENTICATION_REQUIRED` in a session that has not used it, except from `me`, `myMfa` and the fields to add or use one.",
    locations: [DirectiveLocation.FIELD_DEFINITION],
    args: {
      role: { type: new GraphQLNonNull(role), description: "The required role." },
      maxAgeSeconds: {
        type: GraphQLInt,
        description:
          "The maximum age of the user's authentication (RFC 9470). If it is older, the field fails with `REAUTHENTICATION_REQUIRED`: call `reauthenticate`.",
      },
    },
  });
}
