import { IsIn, IsOptional, ValidateIf, ValidateNested } from "class-validator";
import { Args, ArgsType, Ctx, Field, ID, InputType, Int, Mutation, Query, Resolver } from "type-graphql";
import type { Administration } from "../services/accounts/administration.js";
import { RECENTLY } from "../services/sessions/recent-authentication.js";
import { ROLES, type Role } from "../storage/users.js";
import { Auth } from "./auth-checker.js";
import { connectionTypeOf, PageArgs, readPage } from "./connection.js";
import { actorOf, type Context } from "./context.js";
import {
  FULL_NAME,
  LOGIN,
  RoleEnum,
  toUserType,
  USERNAME_ARGUMENT,
  USERNAME_RULE,
  UserType,
} from "./user.js";
import { IsId, IsText, ofInput } from "./validation.js";

const UserConnection = connectionTypeOf("User", UserType);

@ArgsType()
class UsersArgs extends PageArgs {
  @Field(() => String, {
    nullable: true,
    description: "Only users with this text in their username, email address or full name; case is ignored.",
  })
  @IsOptional()
  @IsText(...LOGIN)
  search?: string | null;

  @Field(() => Boolean, {
    nullable: true,
    description: "Only disabled users (true), or only enabled ones (false).",
  })
  @IsOptional()
  @IsIn([true, false])
  disabled?: boolean | null;
}

@ArgsType()
class UserArgs {
  @Field(() => ID, { description: "The user's id." })
  @IsId()
  id!: string;
}

@ArgsType()
class UserIdArgs {
  @Field(() => ID, { description: "The user's id." })
  @IsId()
  userId!: string;
}

@InputType({ description: "An account to create." })
class CreateUserInput {
  @Field(() => String, { description: `The name to sign in with: ${USERNAME_RULE}.` })
  @IsText(...USERNAME_ARGUMENT)
  username!: string;

  @Field(() => String, { description: "The email address. The invitation is sent to it." })
  @IsText(...LOGIN)
  email!: string;

  @Field(() => String, { nullable: true, description: "The display name." })
  @IsOptional()
  @IsText(...FULL_NAME)
  fullName?: string | null;

  @Field(() => [RoleEnum], {
    nullable: true,
    description: "The user's roles; `USER` is always included.",
  })
  @IsOptional()
  @IsIn(ROLES, { each: true })
  roles?: Role[] | null;
}

@InputType({ description: "Changes to an account. A field that is left out keeps its value." })
class UpdateUserInput {
  @Field(() => String, {
    nullable: true,
    description: `The new username: ${USERNAME_RULE}. It cannot be null.`,
  })
  @ValidateIf((_, username) => username !== undefined)
  @IsText(...USERNAME_ARGUMENT)
  username?: string;

  @Field(() => String, {
    nullable: true,
    description:
      "The new email address. It counts as verified, so be sure that it is the user's. It cannot be null.",
  })
  @ValidateIf((_, email) => email !== undefined)
  @IsText(...LOGIN)
  email?: string;

  @Field(() => String, { nullable: true, description: "The display name; null removes it." })
  @IsOptional()
  @IsText(...FULL_NAME)
  fullName?: string | null;
}

@ArgsType()
class CreateUserArgs {
  @Field(() => CreateUserInput, { description: "The account to create." })
  @ValidateNested()
  input!: CreateUserInput;
}

@ArgsType()
class UpdateUserArgs extends UserArgs {
  @Field(() => UpdateUserInput, { description: "The changes." })
  @ValidateNested()
  input!: UpdateUserInput;
}

@ArgsType()
class SetUserRolesArgs extends UserArgs {
  @Field(() => [RoleEnum], { description: "The user's new roles; `USER` is always included." })
  @IsIn(ROLES, { each: true })
  roles!: Role[];
}

@Resolver()
export class AdministrationResolver {
  constructor(private readonly administration: Administration) {}

  @Auth("ADMIN")
  @Query(() => UserConnection, {
    description: "All users, oldest first. Errors: `UNAUTHENTICATED`, `FORBIDDEN`, `BAD_USER_INPUT`.",
  })
  async users(@Args(() => UsersArgs) args: UsersArgs) {
    const filter = { search: args.search ?? undefined, disabled: args.disabled ?? undefined };
    return readPage(args, (page) => this.administration.page(page, filter), toUserType);
  }

  @Auth("ADMIN")
  @Query(() => UserType, {
    description: "A user by id. Errors: `UNAUTHENTICATED`, `FORBIDDEN`, `NOT_FOUND`, `BAD_USER_INPUT`.",
  })
  async user(@Args(() => UserArgs) { id }: UserArgs) {
    return toUserType(await this.administration.get(id));
  }

  @Auth("ADMIN", RECENTLY)
  @Mutation(() => UserType, {
    description:
      "Creates an account without a password, and emails an invitation to choose one. Errors: `UNAUTHENTICATED`, `REAUTHENTICATION_REQUIRED`, `FORBIDDEN` (also when the server cannot send email), `CONFLICT` (the username or email address is in use), `BAD_USER_INPUT`.",
  })
  async createUser(@Ctx() context: Context, @Args(() => CreateUserArgs) { input }: CreateUserArgs) {
    const { username, email, fullName = null, roles } = input;
    const account = { username, email, fullName, roles: roles ?? undefined };
    return toUserType(await ofInput(this.administration.create(account, actorOf(context))));
  }

  @Auth("ADMIN", RECENTLY)
  @Mutation(() => UserType, {
    description:
      "Changes an account. Its sessions stay valid. The user gets an email about a new username or email address. Errors: `UNAUTHENTICATED`, `REAUTHENTICATION_REQUIRED`, `FORBIDDEN`, `NOT_FOUND`, `CONFLICT` (the username or email address is in use), `BAD_USER_INPUT`.",
  })
  async updateUser(@Ctx() context: Context, @Args(() => UpdateUserArgs) { id, input }: UpdateUserArgs) {
    const { username, email, fullName } = input;
    const changes = { username, email, fullName };
    return toUserType(await ofInput(this.administration.update(id, changes, actorOf(context))));
  }

  @Auth("ADMIN", RECENTLY)
  @Mutation(() => UserType, {
    description:
      "Disables an account: its user cannot sign in, and their sessions end immediately. Errors: `UNAUTHENTICATED`, `REAUTHENTICATION_REQUIRED`, `FORBIDDEN` (also for the last administrator), `NOT_FOUND`, `BAD_USER_INPUT`.",
  })
  async disableUser(@Ctx() context: Context, @Args(() => UserArgs) { id }: UserArgs) {
    return toUserType(await this.administration.disable(id, actorOf(context)));
  }

  @Auth("ADMIN", RECENTLY)
  @Mutation(() => UserType, {
    description:
      "Enables a disabled account. Errors: `UNAUTHENTICATED`, `REAUTHENTICATION_REQUIRED`, `FORBIDDEN`, `NOT_FOUND`, `BAD_USER_INPUT`.",
  })
  async enableUser(@Ctx() context: Context, @Args(() => UserArgs) { id }: UserArgs) {
    return toUserType(await this.administration.enable(id, actorOf(context)));
  }

  @Auth("ADMIN", RECENTLY)
  @Mutation(() => UserType, {
    description:
      "Sets a user's roles, with immediate effect. Errors: `UNAUTHENTICATED`, `REAUTHENTICATION_REQUIRED`, `FORBIDDEN` (also for the last administrator), `NOT_FOUND`, `BAD_USER_INPUT`.",
  })
  async setUserRoles(@Ctx() context: Context, @Args(() => SetUserRolesArgs) { id, roles }: SetUserRolesArgs) {
    return toUserType(await this.administration.setRoles(id, roles, actorOf(context)));
  }

  @Auth("ADMIN", RECENTLY)
  @Mutation(() => Boolean, {
    description:
      "Deletes an account with its items, sessions and tokens. Returns true. Errors: `UNAUTHENTICATED`, `REAUTHENTICATION_REQUIRED`, `FORBIDDEN` (also for the last administrator), `NOT_FOUND`, `BAD_USER_INPUT`.",
  })
  async deleteUser(@Ctx() context: Context, @Args(() => UserArgs) { id }: UserArgs) {
    await this.administration.delete(id, actorOf(context));
    return true;
  }

  @Auth("ADMIN", RECENTLY)
  @Mutation(() => UserType, {
    description:
      "Removes all second factors of a user who has lost them, and emails the user: from then on the password is enough. Errors: `UNAUTHENTICATED`, `REAUTHENTICATION_REQUIRED`, `FORBIDDEN`, `NOT_FOUND`, `BAD_USER_INPUT`.",
  })
  async resetMfa(@Ctx() context: Context, @Args(() => UserIdArgs) { userId }: UserIdArgs) {
    return toUserType(await this.administration.resetMfa(userId, actorOf(context)));
  }

  @Auth("ADMIN", RECENTLY)
  @Mutation(() => Int, {
    description:
      "Ends all sessions of a user, and returns how many there were. Errors: `UNAUTHENTICATED`, `REAUTHENTICATION_REQUIRED`, `FORBIDDEN`, `NOT_FOUND`, `BAD_USER_INPUT`.",
  })
  async revokeUserSessions(@Ctx() context: Context, @Args(() => UserArgs) { id }: UserArgs) {
    return this.administration.revokeSessions(id, actorOf(context));
  }
}
