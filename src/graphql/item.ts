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

/** Chosen so that a page of 100 items with all their fields fits into an answer of 2 MB. */
const TITLE = [1, 200, 600] as const;
const DESCRIPTION = [0, 5000, 16_384] as const;

@ObjectType("Item", { description: "An item that belongs to a user." })
class ItemType {
  @Field(() => ID, { description: "The item's permanent id." })
  id!: string;

  @Field(() => String, { description: "The title." })
  @MaxText(TITLE)
  title!: string;

  @Field(() => String, { nullable: true, description: "The description; null when there is none." })
  @MaxText(DESCRIPTION)
  description!: string | null;

  @Field(() => UserType, { description: "The user the item belongs to." })
  owner!: UserType;

  @Field(() => Date, { description: "When the item was created." })
  createdAt!: Date;

  @Field(() => Date, { description: "When the item was last changed, or created." })
  updatedAt!: Date;
}

@ArgsType()
class ItemsArgs {
  @Field(() => Int, {
    defaultValue: 50,
    description: `The maximum number of items to return, 1 to ${MAX_PAGE}.`,
  })
  @Min(1)
  @Max(MAX_PAGE)
  first!: number;

  @Field(() => ID, { nullable: true, description: "The id of the last item on the previous page." })
  @IsOptional()
  @IsId()
  after?: string | null;
}

@InputType({ description: "The item to create." })
class CreateItemInput {
  @Field(() => String, { description: "The title: 1 to 200 characters, at most 600 bytes as JSON." })
  @IsText(...TITLE)
  title!: string;

  @Field(() => String, {
    nullable: true,
    description: "The description: at most 5000 characters, and 16384 bytes as JSON.",
  })
  @IsOptional()
  @IsText(...DESCRIPTION)
  description?: string | null;
}

@InputType({ description: "Changes to an item. Omitted fields stay as they are." })
class UpdateItemInput {
  @Field(() => String, {
    nullable: true,
    description: "The title: 1 to 200 characters, at most 600 bytes as JSON. It cannot be null.",
  })
  @ValidateIf((_, title) => title !== undefined)
  @IsText(...TITLE)
  title?: string;

  @Field(() => String, {
    nullable: true,
    description: "The description: at most 5000 characters, and 16384 bytes as JSON. Null removes it.",
  })
  @IsOptional()
  @IsText(...DESCRIPTION)
  description?: string | null;
}

@ArgsType()
class CreateItemArgs {
  @Field(() => CreateItemInput, { description: "The item to create." })
  @ValidateNested()
  input!: CreateItemInput;
}

@ArgsType()
class ItemArgs {
  @Field(() => ID, { description: "The id of the item." })
  @IsId()
  id!: string;
}

@ArgsType()
class UpdateItemArgs extends ItemArgs {
  @Field(() => UpdateItemInput, { description: "The changes to make." })
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
    @Args(() => ItemsArgs) { first, after }: ItemsArgs,
    @Info() info: GraphQLResolveInfo,
  ) {
    const { user } = signedIn(context);
    const owner = toUserType(user);
    const page = { ownerId: user.id, first, after: after ?? undefined };
    const items = await this.items.list(page, { withDescription: asksFor(info, "description") });
    return items.map((item) => toItemType(item, owner));
  }

  @Auth()
  @Mutation(() => ItemType, {
    description:
      "Creates an item for the signed-in user. Errors: `UNAUTHENTICATED`, `LIMIT_REACHED` (the user has the maximum number of items), `BAD_USER_INPUT`.",
  })
  async createItem(@Ctx() context: Context, @Args(() => CreateItemArgs) { input }: CreateItemArgs) {
    const { title, description = null } = input;
    const { item, owner } = await this.items.create(actorOf(context), { title, description });
    return toItemType(item, toUserType(owner));
  }

  @Auth()
  @Mutation(() => ItemType, {
    description:
      "Changes one of the signed-in user's items. Errors: `UNAUTHENTICATED`, `NOT_FOUND` (also for another user's item), `BAD_USER_INPUT`.",
  })
  async updateItem(@Ctx() context: Context, @Args(() => UpdateItemArgs) { id, input }: UpdateItemArgs) {
    const { title, description } = input;
    const { item, owner } = await this.items.update(actorOf(context), id, { title, description });
    return toItemType(item, toUserType(owner));
  }

  @Auth()
  @Mutation(() => Boolean, {
    description:
      "Deletes one of the signed-in user's items. Always returns true. Errors: `UNAUTHENTICATED`, `NOT_FOUND` (also for another user's item), `BAD_USER_INPUT`.",
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
      "The user's items, oldest first. Only the user and administrators can read them. Errors: `UNAUTHENTICATED`, `FORBIDDEN`, `BAD_USER_INPUT`.",
  })
  async items(
    @Root() owner: UserType,
    @Ctx() context: Context,
    @Args(() => ItemsArgs) { first, after }: ItemsArgs,
    @Info() info: GraphQLResolveInfo,
  ): Promise<ItemType[]> {
    const { user } = signedIn(context);
    if (user.id !== owner.id && !user.roles.includes("ADMIN")) {
      throw new LatchkeyError("FORBIDDEN", "Only the owner of these items and administrators can read them.");
    }
    const page = { ownerId: owner.id, first, after: after ?? undefined };
    const items = await context.loaders.items(page, { withDescription: asksFor(info, "description") });
    return items.map((item) => toItemType(item, owner));
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
