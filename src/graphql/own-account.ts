import { ValidateIf, ValidateNested } from "class-validator";
import { Args, ArgsType, Ctx, Field, InputType, Mutation, Query, Resolver } from "type-graphql";
import type { OwnAccount } from "../services/accounts/own-account.js";
import { Auth } from "./auth-checker.js";
import { actorOf, type Context, signedIn } from "./context.js";
import { OncePerRequest } from "./once-per-request.js";
import { TokenType, toTokenType } from "./token.js";
import { FULL_NAME, LOGIN, toUserType, UserType } from "./user.js";
import { IsText, ofInput } from "./validation.js";

@InputType({ description: "What to change of one's profile. What is left out stays as it is." })
class UpdateProfileInput {
  @Field(() => String, { nullable: true, description: "The name to show to people; null removes it." })
  @ValidateIf((_, fullName) => fullName != null)
  @IsText(...FULL_NAME)
  fullName?: string | null;
}

@ArgsType()
class UpdateProfileArgs {
  @Field(() => UpdateProfileInput, { description: "What to change." })
  @ValidateNested()
  input!: UpdateProfileInput;
}

@ArgsType()
class ChangePasswordArgs {
  // No rule for a current password: one that cannot be right is wrong like any other.
  @Field(() => String, { description: "The password until now." })
  currentPassword!: string;

  @Field(() => String, { description: "The password from now on." })
  @IsText(0, 1000)
  newPassword!: string;
}

@ArgsType()
class RequestEmailChangeArgs {
  @Field(() => String, { description: "The address from now on, to which a link is sent." })
  @IsText(...LOGIN)
  newEmail!: string;

  @Field(() => String, { description: "The password." })
  currentPassword!: string;
}

@ArgsType()
class ConfirmEmailChangeArgs {
  @Field(() => String, { description: "The token from the link in the email." })
  @IsText(1, 200)
  token!: string;
}

@ArgsType()
class DeleteAccountArgs {
  @Field(() => String, { description: "The password." })
  password!: string;
}

@Resolver()
export class AccountResolver {
  readonly #ownAccount: OwnAccount;

  constructor(ownAccount: OwnAccount) {
    this.#ownAccount = ownAccount;
  }

  @Auth()
  @Query(() => UserType, { description: "The signed-in user. Errors: `UNAUTHENTICATED`." })
  me(@Ctx() context: Context): UserType {
    return toUserType(signedIn(context).user);
  }

  @Auth()
  @Mutation(() => UserType, {
    description:
      "Changes the signed-in user's profile. Errors: `UNAUTHENTICATED`, `BAD_USER_INPUT`, `RATE_LIMITED`.",
  })
  async updateProfile(@Ctx() context: Context, @Args(() => UpdateProfileArgs) { input }: UpdateProfileArgs) {
    const changes = input.fullName === undefined ? {} : { fullName: input.fullName };
    return toUserType(await ofInput(this.#ownAccount.updateProfile(actorOf(context), changes)));
  }

  @Auth()
  @OncePerRequest()
  @Mutation(() => TokenType, {
    description:
      "Sets another password, ends all sessions of the user, and starts a new one. Errors: `UNAUTHENTICATED`, `INVALID_CREDENTIALS` (the current password is wrong), `BAD_USER_INPUT`, `RATE_LIMITED`, `OVERLOADED`.",
  })
  async changePassword(
    @Ctx() context: Context,
    @Args(() => ChangePasswordArgs) { currentPassword, newPassword }: ChangePasswordArgs,
  ) {
    const { user } = signedIn(context);
    const passwords = { currentPassword, newPassword };
    return toTokenType(await this.#ownAccount.changePassword(user, actorOf(context), passwords));
  }

  @Auth()
  @OncePerRequest()
  @Mutation(() => Boolean, {
    description:
      "Sends a link to the new address, if no account has it. Answers true. Errors: `UNAUTHENTICATED`, `INVALID_CREDENTIALS`, `BAD_USER_INPUT`, `RATE_LIMITED`, `OVERLOADED`.",
  })
  async requestEmailChange(
    @Ctx() context: Context,
    @Args(() => RequestEmailChangeArgs) { newEmail, currentPassword }: RequestEmailChangeArgs,
  ) {
    const { user } = signedIn(context);
    await this.#ownAccount.requestEmailChange(user, actorOf(context), { newEmail, currentPassword });
    return true;
  }

  @OncePerRequest()
  @Mutation(() => Boolean, {
    description:
      "Puts the new address in the place of the old, which is told, with the token from the email. Answers true. Errors: `INVALID_TOKEN`, `BAD_USER_INPUT`, `RATE_LIMITED`.",
  })
  async confirmEmailChange(
    @Ctx() { caller }: Context,
    @Args(() => ConfirmEmailChangeArgs) { token }: ConfirmEmailChangeArgs,
  ) {
    await this.#ownAccount.confirmEmailChange(token, caller);
    return true;
  }

  @Auth()
  @OncePerRequest()
  @Mutation(() => Boolean, {
    description:
      "Removes the signed-in user's account with its items, sessions and tokens, and answers true. Errors: `UNAUTHENTICATED`, `INVALID_CREDENTIALS`, `FORBIDDEN` (the last administrator), `NOT_FOUND`, `RATE_LIMITED`, `OVERLOADED`.",
  })
  async deleteAccount(
    @Ctx() context: Context,
    @Args(() => DeleteAccountArgs) { password }: DeleteAccountArgs,
  ) {
    await this.#ownAccount.delete(signedIn(context).user, actorOf(context), password);
    return true;
  }
}
