import { ValidateNested } from "class-validator";
import { GraphQLEmailAddress } from "graphql-scalars";
import { Args, ArgsType, Ctx, Field, InputType, Mutation, ObjectType, Resolver } from "type-graphql";
import type { Registration } from "../services/accounts/registration.js";
import type { EmailRequests } from "../services/email/email-requests.js";
import type { Context } from "./context.js";
import { EmailArgs, EmailedTokenArgs } from "./email-arguments.js";
import { MaxText } from "./limits/max-size.js";
import { OncePerRequest } from "./once-per-request.js";
import { USERNAME, USERNAME_RULE } from "./user.js";
import { ofInput } from "./validation.js";

@InputType({ description: "An account to register." })
class RegisterInput {
  // No rules here: the service checks all fields, so that one error names everything that is wrong.

  @Field(() => String, { description: `The name to sign in with: ${USERNAME_RULE}.` })
  username!: string;

  @Field(() => String, { description: "The email address. A link to verify it is sent to it." })
  email!: string;

  @Field(() => String, {
    description: "The password, used exactly as sent. `settings` has its limits; a few words are easiest.",
  })
  password!: string;

  @Field(() => String, { nullable: true, description: "The display name." })
  fullName?: string | null;
}

@ArgsType()
class RegisterArgs {
  @Field(() => RegisterInput, { description: "The account to register." })
  @ValidateNested()
  input!: RegisterInput;
}

@ObjectType("Registration", { description: "A new account whose email address is not verified yet." })
class RegistrationType {
  @Field(() => String, { description: "The name to sign in with, in lower case." })
  @MaxText(USERNAME)
  username!: string;

  @Field(() => GraphQLEmailAddress, { description: "The address that the email was sent to." })
  email!: string;
}

export interface RegistrationResolverDeps {
  registration: Registration;
  emailRequests: EmailRequests;
}

@Resolver()
export class RegistrationResolver {
  constructor(private readonly deps: RegistrationResolverDeps) {}

  @OncePerRequest()
  @Mutation(() => RegistrationType, {
    description:
      "Registers an account and sends an email to its address: a link to verify it, or a notice that the address has an account already. The answer is the same either way. Errors: `CONFLICT` (the username is in use), `BAD_USER_INPUT`, `FORBIDDEN` (registration is closed), `RATE_LIMITED`, `OVERLOADED`.",
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
      "Verifies an email address with the token from the email; the user can then sign in. Returns true, also when the same token is sent again within a minute, which has no further effect. Errors: `INVALID_TOKEN`, `BAD_USER_INPUT`, `RATE_LIMITED`.",
  })
  async verifyEmail(@Ctx() { caller }: Context, @Args(() => EmailedTokenArgs) { token }: EmailedTokenArgs) {
    await this.deps.registration.verifyEmail(token, caller);
    return true;
  }

  @OncePerRequest()
  @Mutation(() => Boolean, {
    description:
      "Sends one email with a link, by username, for each account that was registered with the address, if nobody has verified it. One email lists up to 20 accounts; the next one lists others. Only the latest link for an account works. Always returns true. Errors: `BAD_USER_INPUT`, `RATE_LIMITED`.",
  })
  async requestEmailVerification(@Ctx() { caller }: Context, @Args(() => EmailArgs) { email }: EmailArgs) {
    await this.deps.emailRequests.request("EMAIL_VERIFICATION", email, caller);
    return true;
  }
}
