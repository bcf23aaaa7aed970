import { Args, ArgsType, Ctx, Field, Int, Mutation, ObjectType, Query, Resolver } from "type-graphql";
import type { PasswordEstimate } from "../crypto/passwords.js";
import type { EmailRequests } from "../services/email/email-requests.js";
import type { PasswordPolicy } from "../services/passwords/policy.js";
import type { PasswordRecovery } from "../services/passwords/recovery.js";
import type { Context } from "./context.js";
import { EmailArgs, EmailedTokenArgs } from "./email-arguments.js";
import { MaxItems, MaxText } from "./limits/max-size.js";
import { OncePerRequest } from "./once-per-request.js";
import { IsText } from "./validation.js";

/** Longer than any password that can be set, so that a form can say what is too long; zxcvbn's work grows with it. */
const ESTIMATED_PASSWORD = [1, 128] as const;
/** A sentence from zxcvbn. */
const ADVICE = [0, 300] as const;

@ArgsType()
class ResetPasswordArgs extends EmailedTokenArgs {
  // No rule: the service knows those for a new password.
  @Field(() => String, { description: "The new password." })
  newPassword!: string;
}

@ArgsType()
class AcceptInvitationArgs extends EmailedTokenArgs {
  // No rule, as above.
  @Field(() => String, { description: "The password to set." })
  password!: string;
}

@ArgsType()
class PasswordStrengthArgs {
  @Field(() => String, { description: "A password, of up to 128 characters." })
  @IsText(...ESTIMATED_PASSWORD)
  password!: string;
}

@ObjectType("PasswordStrength", { description: "How hard a password is to guess." })
class PasswordStrengthType implements PasswordEstimate {
  @Field(() => Int, {
    description: "From 0, guessed immediately, to 4, very hard to guess. A password needs 3.",
  })
  score!: number;

  @Field(() => String, { nullable: true, description: "What makes it easy to guess." })
  @MaxText(ADVICE)
  warning!: string | null;

  @Field(() => [String], { description: "How to make it stronger." })
  @MaxText(ADVICE)
  @MaxItems(10)
  suggestions!: string[];
}

export interface PasswordRecoveryResolverDeps {
  recovery: PasswordRecovery;
  emailRequests: EmailRequests;
  policy: PasswordPolicy;
}

@Resolver()
export class PasswordRecoveryResolver {
  constructor(private readonly deps: PasswordRecoveryResolverDeps) {}

  @OncePerRequest()
  @Mutation(() => Boolean, {
    description:
      "Emails a link to set a new password, if an account has verified the address. Only the latest link works. Always returns true, and changes nothing. Errors: `BAD_USER_INPUT`, `RATE_LIMITED`.",
  })
  async requestPasswordReset(@Ctx() { caller }: Context, @Args(() => EmailArgs) { email }: EmailArgs) {
    await this.deps.emailRequests.request("PASSWORD_RESET", email, caller);
    return true;
  }

  @OncePerRequest()
  @Mutation(() => Boolean, {
    description:
      "Sets a new password with the token from the email, and ends all sessions of the user. It does not sign in. Returns true. Errors: `INVALID_TOKEN`, `BAD_USER_INPUT`, `RATE_LIMITED`, `OVERLOADED`.",
  })
  async resetPassword(
    @Ctx() { caller }: Context,
    @Args(() => ResetPasswordArgs) { token, newPassword }: ResetPasswordArgs,
  ) {
    await this.deps.recovery.reset(token, newPassword, caller);
    return true;
  }

  @OncePerRequest()
  @Mutation(() => Boolean, {
    description:
      "Sets the first password of an invited user with the token from the email. It does not sign in. Returns true. Errors: `INVALID_TOKEN`, `BAD_USER_INPUT`, `RATE_LIMITED`, `OVERLOADED`.",
  })
  async acceptInvitation(
    @Ctx() { caller }: Context,
    @Args(() => AcceptInvitationArgs) { token, password }: AcceptInvitationArgs,
  ) {
    await this.deps.recovery.acceptInvitation(token, password, caller);
    return true;
  }

  @OncePerRequest()
  @Query(() => PasswordStrengthType, {
    description:
      "Estimates how hard a password is to guess, for a form. Errors: `BAD_USER_INPUT`, `RATE_LIMITED`, `OVERLOADED`.",
  })
  async passwordStrength(
    @Ctx() { caller }: Context,
    @Args(() => PasswordStrengthArgs) { password }: PasswordStrengthArgs,
  ) {
    return this.deps.policy.estimate(password, caller);
  }
}
