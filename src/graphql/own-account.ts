import { ValidateIf, ValidateNested } from "class-validator";
import { Args, ArgsType, Ctx, Field, InputType, Mutation, Query, Resolver } from "type-graphql";
import type { OwnAccount } from "../services/accounts/own-account.js";
import { RECENTLY } from "../services/sessions/recent-authentication.js";
import { Auth } from "./auth-checker.js";
import { actorOf, type Context, signedIn } from "./context.js";
import { EmailedTokenArgs } from "./email-arguments.js";
import { OncePerRequest } from "./once-per-request.js";
import { deliverToken, TokenType } from "./token.js";
import { FULL_NAME, LOGIN, toUserType, UserType } from "./user.js";
import { IsText, ofInput } from "./validation.js";

@InputType({ description: "Changes to the profile. A field that is left out keeps its value." })
class UpdateProfileInput {
  @Field(() => String, { nullable: true, description: "The display name; null removes it." })
  @ValidateIf((_, fullName) => fullName != null)
  @IsText(...FULL_NAME)
  fullName?: string | null;
}

@ArgsType()
class UpdateProfileArgs {
  @Field(() => UpdateProfileInput, { description: "The changes." })
  @ValidateNested()
  input!: UpdateProfileInput;
}

@ArgsType()
class ChangePasswordArgs {
  // No rules: a current password that breaks one is simply wrong, and the service knows those for a new one.
  @Field(() => String, { description: "The current password." })
  currentPassword!: string;

  @Field(() => String, { description: "The new password." })
  newPassword!: string;
}

@ArgsType()
class RequestEmailChangeArgs {
  @Field(() => String, { description: "The new email address. A link is sent to it." })
  @IsText(...LOGIN)
  newEmail!: string;
}

@Resolver()
export class OwnAccountResolver {
  constructor(private readonly ownAccount: OwnAccount) {}

  @Auth("USER", { beforeEnrollment: true })
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
    return toUserType(await ofInput(this.ownAccount.updateProfile(actorOf(context), changes)));
  }

  @Auth("USER", RECENTLY)
  @OncePerRequest()
  @Mutation(() => TokenType, {
    description:
      "Changes the password, ends all sessions of the user, and starts a new one. Errors: `UNAUTHENTICATED`, `REAUTHENTICATION_REQUIRED`, `INVALID_CREDENTIALS` (the current password is wrong), `BAD_USER_INPUT`, `RATE_LIMITED`, `OVERLOADED`.",
  })
  async changePassword(
    @Ctx() context: Context,
    @Args(() => ChangePasswordArgs) { currentPassword, newPassword }: ChangePasswordArgs,
  ) {
    const { user } = signedIn(context);
    const passwords = { currentPassword, newPassword };
    const issued = await this.ownAccount.changePassword(user, actorOf(context), passwords);
    return deliverToken(issued, context.refreshCookie);
  }

  @Auth("USER", RECENTLY)
  @OncePerRequest()
  @Mutation(() => Boolean, {
    description:
      "Emails a link to the new address, unless an account has it. Always returns true. Errors: `UNAUTHENTICATED`, `REAUTHENTICATION_REQUIRED`, `BAD_USER_INPUT`, `RATE_LIMITED`.",
  })
  async requestEmailChange(
    @Ctx() context: Context,
    @Args(() => RequestEmailChangeArgs) { newEmail }: RequestEmailChangeArgs,
  ) {
    await this.ownAccount.requestEmailChange(actorOf(context), newEmail);
    return true;
  }

  @OncePerRequest()
  @Mutation(() => Boolean, {
    description:
      "Changes the email address with the token from the email, and notifies the old address. Returns true, also when the same token is sent again within a minute, which has no further effect. Errors: `INVALID_TOKEN`, `BAD_USER_INPUT`, `RATE_LIMITED`.",
  })
  async confirmEmailChange(
    @Ctx() { caller }: Context,
    @Args(() => EmailedTokenArgs) { token }: EmailedTokenArgs,
  ) {
    await this.ownAccount.confirmEmailChange(token, caller);
    return true;
  }

  @Auth("USER", RECENTLY)
  @Mutation(() => Boolean, {
    description:
      "Deletes the signed-in user's account with its items, sessions and tokens. Returns true. Errors: `UNAUTHENTICATED`, `REAUTHENTICATION_REQUIRED`, `FORBIDDEN` (the last administrator).",
  })
  async deleteAccount(@Ctx() context: Context) {
    await this.ownAccount.delete(actorOf(context));
    return true;
  }
}
