import { ValidateIf, ValidateNested } from "class-validator";
import { GraphQLEmailAddress } from "graphql-scalars";
import {
  Args,
  ArgsType,
  Ctx,
  Field,
  InputType,
  Int,
  Mutation,
  ObjectType,
  Query,
  Resolver,
} from "type-graphql";
import type { PasswordEstimate } from "../crypto/passwords.js";
import type { Registration } from "../services/accounts/registration.js";
import type { EmailRequests } from "../services/email/email-requests.js";
import type { PasswordPolicy } from "../services/passwords/policy.js";
import type { PasswordRecovery } from "../services/passwords/recovery.js";
import type { Context } from "./context.js";
import { MaxItems, MaxText } from "./limits/max-size.js";
import { OncePerRequest } from "./once-per-request.js";
import { FULL_NAME, LOGIN, USERNAME } from "./user.js";
import { IsText, ofInput } from "./validation.js";

const TOKEN = [1, 200] as const;
/** More than can be set, so that a form can say what is too long; zxcvbn's work grows with it. */
const PASSWORD = [1, 128] as const;
/** A sentence of zxcvbn's. */
const ADVICE = [0, 300] as const;

@InputType({ description: "Who signs up." })
class RegisterInput {
  @Field(() => String, {
    description: "3 to 32 characters from a-z, 0-9, dot, underscore and hyphen; case does not count.",
  })
  @IsText(1, 100)
  username!: string;

  @Field(() => String, { description: "The email address, to which a link is sent." })
  @IsText(...LOGIN)
  email!: string;

  @Field(() => String, {
    description: "At least 15 characters (a few words are easiest), at most 72 bytes, taken exactly as sent.",
  })
  @IsText(0, 1000)
  password!: string;

  @Field(() => String, { nullable: true, description: "The name to show to people." })
  @ValidateIf((_, fullName) => fullName != null)
  @IsText(...FULL_NAME)
  fullName?: string | null;
}

@ArgsType()
class RegisterArgs {
  @Field(() => RegisterInput, { description: "Who signs up." })
  @ValidateNested()
  input!: RegisterInput;
}

@ArgsType()
class EmailArgs {
  @Field(() => String, { description: "The email address to send to, if it has an account." })
  @IsText(...LOGIN)
  email!: string;
}

@ArgsType()
class TokenArgs {
  @Field(() => String, { description: "The token from the link in the email." })
  @IsText(...TOKEN)
  token!: string;
}

@ArgsType()
class ResetPasswordArgs extends TokenArgs {
  @Field(() => String, { description: "The password from now on." })
  @IsText(0, 1000)
  newPassword!: string;
}

@ArgsType()
class AcceptInvitationArgs extends TokenArgs {
  @Field(() => String, { description: "The password from now on." })
  @IsText(0, 1000)
  password!: string;
}

@ArgsType()
class PasswordStrengthArgs {
  @Field(() => String, { description: "The password somebody thinks of, up to 128 characters." })
  @IsText(...PASSWORD)
  password!: string;
}

@ObjectType("Registration", { description: "A sign-up that waits for the link in the email to be opened." })
class RegistrationType {
  @Field(() => String, { description: "The name to log in with, in lower case." })
  @MaxText(USERNAME)
  username!: string;

  @Field(() => GraphQLEmailAddress, { description: "Where the email was sent to." })
  email!: string;
}

@ObjectType("PasswordStrength", { description: "How hard a password is to guess." })
class PasswordStrengthType implements PasswordEstimate {
  @Field(() => Int, {
    description: "From 0, guessed at once, to 4, very hard to guess. 3 is enough to be set.",
  })
  score!: number;

  @Field(() => String, { nullable: true, description: "What is wrong with it." })
  @MaxText(ADVICE)
  warning!: string | null;

  @Field(() => [String], { description: "What would make it better." })
  @MaxText(ADVICE)
  @MaxItems(10)
  suggestions!: string[];
}

export interface RegistrationResolverDeps {
  registration: Registration;
  recovery: PasswordRecovery;
  emailRequests: EmailRequests;
  policy: PasswordPolicy;
}

@Resolver()
export class RegistrationResolver {
  constructor(private readonly deps: RegistrationResolverDeps) {}

  @OncePerRequest()
  @Mutation(() => RegistrationType, {
    description:
      "Signs somebody up, and sends an email to the address: a link to verify it, or word that it has an account. The answer is the same. Errors: `CONFLICT` (the username is taken), `BAD_USER_INPUT`, `FORBIDDEN` (registration is closed), `RATE_LIMITED`, `OVERLOADED`.",
  })
  async register(@Ctx() { caller }: Context, @Args(() => RegisterArgs) { input }: RegisterArgs) {
    const { username, email, password, fullName = null } = input;
    const user = await ofInput(
      this.deps.registration.register({ username, email, password, fullName }, caller),
    );
    return { username: user.username, email: user.email };
  }

  @OncePerRequest()
  @Mutation(() => Boolean, {
    description:
      "Verifies an email address with the token from the email, and answers true. From then on its owner can log in. Errors: `INVALID_TOKEN`, `BAD_USER_INPUT`, `RATE_LIMITED`.",
  })
  async verifyEmail(@Ctx() { caller }: Context, @Args(() => TokenArgs) { token }: TokenArgs) {
    await this.deps.registration.verifyEmail(token, caller);
    return true;
  }

  @OncePerRequest()
  @Mutation(() => Boolean, {
    description:
      "Sends one email with a link for each account that claims the address and has not verified it, by username. Always answers true. Errors: `BAD_USER_INPUT`, `RATE_LIMITED`.",
  })
  async requestEmailVerification(@Ctx() { caller }: Context, @Args(() => EmailArgs) { email }: EmailArgs) {
    await this.deps.emailRequests.request("EMAIL_VERIFICATION", email, caller);
    return true;
  }

  @OncePerRequest()
  @Mutation(() => Boolean, {
    description:
      "Sends an email to set a new password with, if the address has an account. Always answers true, and changes nothing. Errors: `BAD_USER_INPUT`, `RATE_LIMITED`.",
  })
  async requestPasswordReset(@Ctx() { caller }: Context, @Args(() => EmailArgs) { email }: EmailArgs) {
    await this.deps.emailRequests.request("PASSWORD_RESET", email, caller);
    return true;
  }

  @OncePerRequest()
  @Mutation(() => Boolean, {
    description:
      "Sets a new password with the token from the email, ends all sessions of the user, and answers true. It does not sign in. Errors: `INVALID_TOKEN`, `BAD_USER_INPUT`, `RATE_LIMITED`, `OVERLOADED`.",
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
      "Sets the first password of an invited user with the token from the email, and answers true. It does not sign in. Errors: `INVALID_TOKEN`, `BAD_USER_INPUT`, `RATE_LIMITED`, `OVERLOADED`.",
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
      "How hard a password is to guess, for a form to choose one. Errors: `BAD_USER_INPUT`, `RATE_LIMITED`, `OVERLOADED`.",
  })
  async passwordStrength(
    @Ctx() { caller }: Context,
    @Args(() => PasswordStrengthArgs) { password }: PasswordStrengthArgs,
  ) {
    return this.deps.policy.estimate(password, caller);
  }
}
