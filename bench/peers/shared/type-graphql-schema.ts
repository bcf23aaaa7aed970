import "reflect-metadata";
import { Arg, Authorized, buildSchema, Ctx, Field, ID, Int, ObjectType, Query, Resolver } from "type-graphql";
import type { Context } from "./bearer.ts";
import { listItems } from "./database.ts";

@ObjectType()
class User {
  @Field(() => ID)
  id!: string;

  @Field(() => String)
  username!: string;

  @Field(() => String)
  email!: string;

  @Field(() => String, { nullable: true })
  fullName!: string | null;
}

@ObjectType()
class Item {
  @Field(() => ID)
  id!: string;

  @Field(() => String)
  title!: string;

  @Field(() => String, { nullable: true })
  description!: string | null;
}

@Resolver()
class UserResolver {
  @Authorized()
  @Query(() => User)
  me(@Ctx() { user }: Context): User {
    return user!;
  }

  @Authorized()
  @Query(() => [Item])
  async myItems(@Arg("first", () => Int) first: number, @Ctx() { user }: Context): Promise<Item[]> {
    return listItems(user!.id, first);
  }
}

/** The schema as a tutorial of type-graphql writes it. */
export async function createSchema() {
  return buildSchema({
    resolvers: [UserResolver],
    authChecker: ({ context }: { context: Context }) => context.user !== undefined,
  });
}
