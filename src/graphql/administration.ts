import { IsIn, IsOptional, ValidateIf, ValidateNested } from "class-validator";
import { Args, ArgsType, Ctx, Field, ID, InputType, Int, Mutation, Query, Resolver } from "type-graphql";
import type { Accounts } from "../services/accounts/administration.js";
import { ROLES, type Role } from "../storage/users.js";
import { Auth } from "./auth-checker.js";
import { connectionTypeOf, PageArgs, readPage } from "./connection.js";
import { actorOf, type Context } from "./context.js";
import { FULL_NAME, LOGIN, RoleEnum, toUserType, UserType } from "./user.js";
import { IsId, IsText, ofInput } from "./validation.js";

const UserConnection = connectionTypeOf("User", UserType);

@ArgsType()
class UsersArgs extends PageArgs {
  @Field(() => String, {
    nullable: true,
    description: "Only those with this in their username, email address or full name, in any case.",
  })
  @IsOptional()
  @IsText(...LOGIN)
  search?: string | null;

  @Field(() => Boolean, {
    nullable: true,
    description: "Only those who are disabled, or only those who are not.",
  })
  @IsOptional()
  @IsIn([true, false])
  disabled?: boolean | null;
}

@ArgsType()
class UserArgs {
  @Field(() => ID, { description: "Which user." })
  @IsId()
  id!: string;
}

const USERNAME_RULE = "3 to 32 characters from a-z, 0-9, dot, underscore and hyphen; case does not count";

@InputType({ description: "An account to make." })
class CreateUserInput {
  @Field(() => String, { description: `The name to log in with, ${USERNAME_RULE}.` })
  @IsText(1, 100)
  username!: string;

  @Field(() => String, { description: "The email address, to which an invitation is sent." })
  @IsText(...LOGIN)
  email!: string;

  @Field(() => String, { nullable: true, description: "The name to show to people." })
  @IsOptional()
  @IsText(...FULL_NAME)
  fullName?: string | null;

  @Field(() => [RoleEnum], {
    nullable: true,
    description: "What the user may do; `USER` is always among it.",
  })
  @IsOptional()
  @IsIn(ROLES, { each: true })
  roles?: Role[] | null;
}

@InputType({ description: "What to change of an account. What is left out stays as it is." })
class UpdateUserInput {
  @Field(() => String, {
    nullable: true,
    description: `The name to log in with, ${USERNAME_RULE}; not null.`,
  })
  @ValidateIf((_, username) => username !== undefined)
  @IsText(1, 100)
  username?: string;

  @Field(() => String, {
    nullable: true,
    description: "Another email address, which you know to be the user's: it counts as verified; not null.",
  })
  @ValidateIf((_, email) => email !== undefined)
  @IsText(...LOGIN)
  email?: string;

  @Field(() => String, { nullable: true, description: "The name to show to people; null removes it." })
  @IsOptional()
  @IsText(...FULL_NAME)
  fullName?: string | null;
}

@ArgsType()
class CreateUserArgs {
  @Field(() => CreateUserInput, { description: "The account to make." })
  @ValidateNested()
  input!: CreateUserInput;
}

@ArgsType()
class UpdateUserArgs extends UserArgs {
  @Field(() => UpdateUserInput, { description: "What to change." })
  @ValidateNested()
  input!: UpdateUserInput;
}

@ArgsType()
class SetUserRolesArgs extends UserArgs {
  @Field(() => [RoleEnum], { description: "What the user may do from now on; `USER` is always kept." })
  @IsIn(ROLES, { each: true })
  roles!: Role[];
}

@Resolver()
export class AdminResolver {
  readonly #accounts: Accounts;

  constructor(accounts: Accounts) {
    this.#accounts = accounts;
  }

  @Auth("ADMIN")
  @Query(() => UserConnection, {
    description: "All users, oldest first. Errors: `UNAUTHENTICATED`, `FORBIDDEN`, `BAD_USER_INPUT`.",
  })
  async users(@Args(() => UsersArgs) args: UsersArgs) {
    const filter = { search: args.search ?? undefined, disabled: args.disabled ?? undefined };
    return readPage(args, (page) => this.#accounts.page(page, filter), toUserType);
  }

  @Auth("ADMIN")
  @Query(() => UserType, {
    description: "A user. Errors: `UNAUTHENTICATED`, `FORBIDDEN`, `NOT_FOUND`, `BAD_USER_INPUT`.",
  })
  async user(@Args(() => UserArgs) { id }: UserArgs) {
    return toUserType(await this.#accounts.get(id));
  }

  @Auth("ADMIN")
  @Mutation(() => UserType, {
    description:
      "Makes an account without a password, and sends an invitation to set one. Errors: `UNAUTHENTICATED`, `FORBIDDEN`, `CONFLICT` (the username or the address is in use), `BAD_USER_INPUT`.",
  })
  async createUser(@Ctx() context: Context, @Args(() => CreateUserArgs) { input }: CreateUserArgs) {
    const { username, email, fullName = null, roles } = input;
    const account = { username, email, fullName, roles: roles ?? undefined };
    return toUserType(await ofInput(this.#accounts.invite(account, actorOf(context))));
  }

  @Auth("ADMIN")
  @Mutation(() => UserType, {
    description:
      "Changes an account; its sessions stay. Errors: `UNAUTHENTICATED`, `FORBIDDEN`, `NOT_FOUND`, `CONFLICT` (the username or the address is in use), `BAD_USER_INPUT`.",
  })
  async updateUser(@Ctx() context: Context, @Args(() => UpdateUserArgs) { id, input }: UpdateUserArgs) {
    const { username, email, fullName } = input;
    const changes = { username, email, fullName };
    return toUserType(await ofInput(this.#accounts.update(id, changes, actorOf(context))));
  }

  @Auth("ADMIN")
  @Mutation(() => UserType, {
    description:
      "Refuses a user from now on, and ends their sessions. Errors: `UNAUTHENTICATED`, `FORBIDDEN` (also for the last administrator), `NOT_FOUND`, `BAD_USER_INPUT`.",
  })
  async disableUser(@Ctx() context: Context, @Args(() => UserArgs) { id }: UserArgs) {
    return toUserType(await this.#accounts.disable(id, actorOf(context)));
  }

  @Auth("ADMIN")
  @Mutation(() => UserType, {
    description:
      "Lets a disabled user in again. Errors: `UNAUTHENTICATED`, `FORBIDDEN`, `NOT_FOUND`, `BAD_USER_INPUT`.",
  })
  async enableUser(@Ctx() context: Context, @Args(() => UserArgs) { id }: UserArgs) {
    return toUserType(await this.#accounts.enable(id, actorOf(context)));
  }

  @Auth("ADMIN")
  @Mutation(() => UserType, {
    description:
      "Sets what a user may do, which is felt at once. Errors: `UNAUTHENTICATED`, `FORBIDDEN` (also for the last administrator), `NOT_FOUND`, `BAD_USER_INPUT`.",
  })
  async setUserRoles(@Ctx() context: Context, @Args(() => SetUserRolesArgs) { id, roles }: SetUserRolesArgs) {
    return toUserType(await this.#accounts.setRoles(id, roles, actorOf(context)));
  }

  @Auth("ADMIN")
  @Mutation(() => Boolean, {
    description:
      "Removes an account with its items, sessions and tokens, and answers true. Errors: `UNAUTHENTICATED`, `FORBIDDEN` (also for the last administrator), `NOT_FOUND`, `BAD_USER_INPUT`.",
  })
  async deleteUser(@Ctx() context: Context, @Args(() => UserArgs) { id }: UserArgs) {
    await this.#accounts.delete(id, actorOf(context));
    return true;
  }

  @Auth("ADMIN")
  @Mutation(() => Int, {
    description:
      "Ends all sessions of a user, and answers how many. Errors: `UNAUTHENTICATED`, `FORBIDDEN`, `NOT_FOUND`, `BAD_USER_INPUT`.",
  })
  async revokeUserSessions(@Ctx() context: Context, @Args(() => UserArgs) { id }: UserArgs) {
    return this.#accounts.revokeSessions(id, actorOf(context));
  }
}
