import { IsOptional, Max, Min, ValidateIf, ValidateNested } from "class-validator";
import type { GraphQLResolveInfo } from "graphql";
import {
  Args,
  ArgsType,
  Ctx,
  Field,
  FieldResolver,
  ID,
  Info,
  InputType,
  Int,
  Mutation,
  ObjectType,
  Query,
  Resolver,
  Root,
} from "type-graphql";
import { LatchkeyError } from "../errors.js";
import type { Items } from "../services/items.js";
import type { ListedItem } from "../storage/items.js";
import { Auth } from "./auth-checker.js";
import { MAX_PAGE } from "./connection.js";
import { actorOf, type Context, signedIn } from "./context.js";
import { MaxText } from "./limits/max-size.js";
import { asksFor } from "./selected-fields.js";
import { toUserType, UserType } from "./user.js";
import { IsId, IsText } from "./validation.js";

/** A page of items with their titles, or with all there is of them, fits into an answer of 2 MB. */
const TITLE = [1, 200, 600] as const;
const DESCRIPTION = [0, 5000, 16_384] as const;

@ObjectType("Item", { description: "A thing that belongs to a user." })
class ItemType {
  @Field(() => ID, { description: "Stays the same for as long as the item exists." })
  id!: string;

  @Field(() => String, { description: "What it is called." })
  @MaxText(TITLE)
  title!: string;

  @Field(() => String, { nullable: true, description: "More about it." })
  @MaxText(DESCRIPTION)
  description!: string | null;

  @Field(() => UserType, { description: "Whose it is." })
  owner!: UserType;

  @Field(() => Date, { description: "When it was made." })
  createdAt!: Date;

  @Field(() => Date, { description: "When it was last changed." })
  updatedAt!: Date;
}

@ArgsType()
class ItemsArgs {
  @Field(() => Int, { defaultValue: 50, description: `How many items to give at most, 1 to ${MAX_PAGE}.` })
  @Min(1)
  @Max(MAX_PAGE)
  first!: number;
}

@ArgsType()
class MyItemsArgs extends ItemsArgs {
  @Field(() => ID, { nullable: true, description: "The id of the last item of the page before." })
  @IsOptional()
  @IsId()
  after?: string | null;
}

@InputType({ description: "An item to make." })
class CreateItemInput {
  @Field(() => String, { description: "What it is called, 1 to 200 characters, 600 bytes as JSON." })
  @IsText(...TITLE)
  title!: string;

  @Field(() => String, {
    nullable: true,
    description: "More about it, up to 5000 characters, 16384 bytes as JSON.",
  })
  @IsOptional()
  @IsText(...DESCRIPTION)
  description?: string | null;
}

@InputType({ description: "What to change of an item. What is left out stays as it is." })
class UpdateItemInput {
  @Field(() => String, {
    nullable: true,
    description: "What it is called, 1 to 200 characters, 600 bytes as JSON; not null.",
  })
  @ValidateIf((_, title) => title !== undefined)
  @IsText(...TITLE)
  title?: string;

  @Field(() => String, {
    nullable: true,
    description: "More about it, up to 5000 characters, 16384 bytes as JSON; null removes it.",
  })
  @IsOptional()
  @IsText(...DESCRIPTION)
  description?: string | null;
}

@ArgsType()
class CreateItemArgs {
  @Field(() => CreateItemInput, { description: "The item to make." })
  @ValidateNested()
  input!: CreateItemInput;
}

@ArgsType()
class ItemArgs {
  @Field(() => ID, { description: "Which item." })
  @IsId()
  id!: string;
}

@ArgsType()
class UpdateItemArgs extends ItemArgs {
  @Field(() => UpdateItemInput, { description: "What to change." })
  @ValidateNested()
  input!: UpdateItemInput;
}

@Resolver()
export class ItemResolver {
  constructor(private readonly items: Items) {}

  @Auth()
  @Query(() => [ItemType], {
    description: "The signed-in user's items, oldest first. Errors: `UNAUTHENTICATED`, `BAD_USER_INPUT`.",
  })
  async myItems(
    @Ctx() context: Context,
    @Args(() => MyItemsArgs) { first, after }: MyItemsArgs,
    @Info() info: GraphQLResolveInfo,
  ) {
    const { user } = signedIn(context);
    const owner = toUserType(user);
    const items = await this.items.list(user.id, {
      first,
      after: after ?? undefined,
      withDescription: asksFor(info, "description"),
    });
    return items.map((item) => toItemType(item, owner));
  }

  @Auth()
  @Mutation(() => ItemType, {
    description:
      "Makes an item of the signed-in user. Errors: `UNAUTHENTICATED`, `LIMIT_REACHED` (as many items as a user may have), `BAD_USER_INPUT`.",
  })
  async createItem(@Ctx() context: Context, @Args(() => CreateItemArgs) { input }: CreateItemArgs) {
    const { title, description = null } = input;
    const { item, owner } = await this.items.create(actorOf(context), { title, description });
    return toItemType(item, toUserType(owner));
  }

  @Auth()
  @Mutation(() => ItemType, {
    description:
      "Changes an item of the signed-in user. Errors: `UNAUTHENTICATED`, `NOT_FOUND` (also for another's item), `BAD_USER_INPUT`.",
  })
  async updateItem(@Ctx() context: Context, @Args(() => UpdateItemArgs) { id, input }: UpdateItemArgs) {
    const { title, description } = input;
    const { item, owner } = await this.items.update(actorOf(context), id, { title, description });
    return toItemType(item, toUserType(owner));
  }

  @Auth()
  @Mutation(() => Boolean, {
    description:
      "Deletes an item of the signed-in user, and answers true. Errors: `UNAUTHENTICATED`, `NOT_FOUND` (also for another's item), `BAD_USER_INPUT`.",
  })
  async deleteItem(@Ctx() context: Context, @Args(() => ItemArgs) { id }: ItemArgs) {
    await this.items.delete(actorOf(context), id);
    return true;
  }
}

@Resolver(() => UserType)
export class UserItemsResolver {
  @Auth()
  @FieldResolver(() => [ItemType], {
    description:
      "The user's items, oldest first; for the user and administrators. Errors: `UNAUTHENTICATED`, `FORBIDDEN`, `BAD_USER_INPUT`.",
  })
  async items(
    @Root() owner: UserType,
    @Ctx() context: Context,
    @Args(() => ItemsArgs) { first }: ItemsArgs,
    @Info() info: GraphQLResolveInfo,
  ): Promise<ItemType[]> {
    const { user } = signedIn(context);
    if (user.id !== owner.id && !user.roles.includes("ADMIN")) {
      throw new LatchkeyError("FORBIDDEN", "These items are for their owner and administrators.");
    }
    const page = { first, withDescription: asksFor(info, "description") };
    return (await context.loaders.itemsOf(owner.id, page)).map((item) => toItemType(item, owner));
  }
}

function toItemType(item: ListedItem, owner: UserType): ItemType {
  return {
    id: item.id,
    title: item.title,
    description: item.description ?? null,
    owner,
    createdAt: new Date(item.createdAt),
    updatedAt: new Date(item.updatedAt),
  };
}
