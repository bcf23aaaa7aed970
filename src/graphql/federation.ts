import { ArrayMaxSize, isUUID } from "class-validator";
import { type GraphQLObjectType, GraphQLScalarType, type GraphQLSchema, valueFromASTUntyped } from "graphql";
import { Args, ArgsType, Ctx, createUnionType, Field, ObjectType, Query, Resolver } from "type-graphql";
import { invalidInput, LatchkeyError } from "../errors.js";
import { noSuchUser } from "../services/accounts/administration.js";
import type { Access } from "../services/sessions/access.js";
import { Auth } from "./auth-checker.js";
import { type Context, signedIn } from "./context.js";
import { MaxBytes, MaxErrorBytes, MaxItems } from "./limits/max-size.js";
import { MAX_REPRESENTATIONS } from "./limits/variable-limits.js";
import { printSdl } from "./schema.js";
import { toUserType, UserType } from "./user.js";

/** The oldest version with all that is used here, so that every gateway knows it. */
const SPECIFICATION = "https://specs.apollo.dev/federation/v2.0";

/** The directives of federation, by the type that has them. Other subgraphs have a `PageInfo` too. */
const DIRECTIVES = { User: { key: { fields: "id" } }, PageInfo: { shareable: {} } };

/**
 * The schema as the SDL of a subgraph of Apollo Federation 2, without the fields of federation itself. `@auth` and
 * `@oncePerRequest` are left out of a composed schema, because no `@composeDirective` names them.
 * @param schema a schema of its own: it gets the directives of federation
 */
export function printSubgraphSdl(schema: GraphQLSchema): string {
  const names = Object.values(DIRECTIVES).flatMap((directives) => Object.keys(directives));
  const link = { url: SPECIFICATION, import: names.map((name) => `@${name}`) };
  schema.extensions = { directives: { link } };
  for (const [name, directives] of Object.entries(DIRECTIVES)) {
    const type = schema.getType(name) as GraphQLObjectType;
    type.extensions = { ...type.extensions, directives };
  }
  return printSdl(schema);
}

const MAX_SDL_BYTES = 64 * 1024;
/** Of an error in the place of an entity. The longest are about a representation. */
const MAX_ERROR_BYTES = 400;

const AnyScalar = new GraphQLScalarType({
  name: "_Any",
  description: "A representation of an entity: its `__typename` and the fields of its key.",
  parseValue: (value) => value,
  parseLiteral: valueFromASTUntyped,
});

const EntityUnion = createUnionType({
  name: "_Entity",
  description: "What other subgraphs can refer to.",
  types: () => [UserType] as const,
  resolveType: () => UserType,
});

@ObjectType("_Service", { description: "This subgraph." })
class ServiceType {
  @Field(() => String, { description: "The schema of this subgraph, for composition." })
  @MaxBytes(MAX_SDL_BYTES)
  sdl!: string;
}

@ArgsType()
class EntitiesArgs {
  @Field(() => [AnyScalar], {
    description: `Up to ${MAX_REPRESENTATIONS}, each \`{ __typename: "User", id: "…" }\`.`,
  })
  @ArrayMaxSize(MAX_REPRESENTATIONS)
  representations!: unknown[];
}

export interface FederationResolverDeps {
  access: Access;
  /** The SDL of the subgraph. Undefined: clients may not read it. */
  sdl: string | undefined;
}

/** What makes the schema a subgraph of Apollo Federation 2. */
@Resolver()
export class FederationResolver {
  constructor(private readonly deps: FederationResolverDeps) {}

  @Query(() => ServiceType, {
    description: "The schema of this subgraph, where introspection is on. Errors: `FORBIDDEN`.",
  })
  _service(): ServiceType {
    const { sdl } = this.deps;
    if (sdl !== undefined) return { sdl };
    throw new LatchkeyError(
      "FORBIDDEN",
      "The schema cannot be read here: print it with `latchkey schema print --federation`.",
    );
  }

  @Auth("USER", { beforeEnrollment: true })
  @MaxItems(MAX_REPRESENTATIONS)
  @MaxErrorBytes(MAX_ERROR_BYTES)
  @Query(() => [EntityUnion], {
    nullable: "items",
    description:
      "The entities that other subgraphs refer to, in the order of the representations. A user gets themselves, and an administrator everybody: any other is null, with an error. Errors: `UNAUTHENTICATED`, `NOT_FOUND` (also for another user), `BAD_USER_INPUT`.",
  })
  _entities(@Ctx() context: Context, @Args(() => EntitiesArgs) { representations }: EntitiesArgs) {
    // A promise for each: one that is rejected is null, and does not take the others with it.
    return representations.map((representation, n) => this.#resolve(representation, n, context));
  }

  /** @throws BAD_USER_INPUT, NOT_FOUND, and what the access of an administrator requires */
  async #resolve(representation: unknown, n: number, context: Context): Promise<UserType> {
    const id = readId(representation, n);
    const { user } = signedIn(context);
    if (id === user.id) return toUserType(user);
    // The same, and in the same time, whether there is such a user or not.
    if (!user.roles.includes("ADMIN")) noSuchUser();
    this.deps.access.require(context.viewer, { role: "ADMIN" });
    return toUserType((await context.loaders.user(id)) ?? noSuchUser());
  }
}

/** The id in a representation, which is the `n`th. @throws BAD_USER_INPUT without any of its values */
function readId(representation: unknown, n: number): string {
  const at = `representations[${n}]`;
  const refuse = (field: string, rule: string, message: string) =>
    invalidInput([{ field, rule, message: `${field} ${message}` }]);
  if (typeof representation !== "object" || representation === null || Array.isArray(representation))
    throw refuse(at, "object", "must be an object");
  const { __typename, id, ...others } = representation as Record<string, unknown>;
  if (__typename !== "User") throw refuse(`${at}.__typename`, "entity", "must be User");
  if (!isUUID(id)) throw refuse(`${at}.id`, "isUuid", "must be a UUID");
  if (Object.keys(others).length > 0) throw refuse(at, "fields", "must have __typename and id alone");
  return (id as string).toLowerCase();
}
