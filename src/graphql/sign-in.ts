import { IsOptional } from "class-validator";
import { GraphQLJSONObject } from "graphql-scalars";
import {
  Args,
  ArgsType,
  Ctx,
  createUnionType,
  Field,
  Mutation,
  ObjectType,
  Resolver,
  registerEnumType,
} from "type-graphql";
import { readAssertion } from "../crypto/passkey-responses.js";
import { invalidInput } from "../errors.js";
import {
  REAUTHENTICATION_METHODS,
  type ReauthenticationMethod,
} from "../services/sessions/recent-authentication.js";
import type { Login } from "../services/sign-in/login.js";
import type { Reauthentication } from "../services/sign-in/reauthentication.js";
import type { SecondFactor } from "../services/sign-in/second-factor.js";
import { MFA_METHODS, type MfaMethod } from "../storage/users.js";
import { Auth } from "./auth-checker.js";
import { actorOf, type Context, signedIn } from "./context.js";
import { MaxItems, MaxText } from "./limits/max-size.js";
import { OncePerRequest } from "./once-per-request.js";
import { CHALLENGE, IsAssertion } from "./passkey-arguments.js";
import { deliverToken, TokenType } from "./token.js";
import { LOGIN } from "./user.js";
import { IsText } from "./validation.js";

/** Room for spaces and hyphens between the characters of a recovery code. */
const CODE = [1, 100] as const;

export const MfaMethodEnum = Object.fromEntries(MFA_METHODS.map((method) => [method, method])) as {
  [M in MfaMethod]: M;
};
registerEnumType(MfaMethodEnum, {
  name: "MfaMethod",
  description: "How a user can prove a second factor.",
  valuesConfig: {
    TOTP: { description: "With a code from an authenticator app: `verifyTotp`." },
    PASSKEY: { description: "With a passkey: `passkeyOptions` and `verifyPasskey`." },
    RECOVERY_CODE: { description: "With a recovery code: `verifyRecoveryCode`." },
  },
});

const ReauthenticationMethodEnum = Object.fromEntries(
  REAUTHENTICATION_METHODS.map((method) => [method, method]),
) as { [M in ReauthenticationMethod]: M };
registerEnumType(ReauthenticationMethodEnum, {
  name: "ReauthenticationMethod",
  description:
    "How the caller can reauthenticate, as listed in `extensions.methods` of a `REAUTHENTICATION_REQUIRED` error.",
  valuesConfig: {
    PASSWORD: { description: "The password. Not for an account with a second factor." },
    TOTP: { description: "A code from the authenticator app." },
    PASSKEY: { description: "A passkey." },
  },
});

@ObjectType("MfaChallenge", {
  description: "The password was correct, but the account has a second factor.",
})
export class MfaChallengeType {
  @Field(() => String, { description: "The challenge to answer. It works once, for five minutes." })
  @MaxText(CHALLENGE)
  challenge!: string;

  @Field(() => [MfaMethodEnum], { description: "What the user can answer it with." })
  @MaxItems(MFA_METHODS.length)
  methods!: readonly MfaMethod[];

  @Field(() => Date, { description: "When the challenge expires." })
  expiresAt!: Date;
}

const SignInResult = createUnionType({
  name: "SignInResult",
  description: "The tokens of a new session, or the challenge to prove a second factor first.",
  types: () => [TokenType, MfaChallengeType] as const,
  resolveType: (value) => ("challenge" in value ? MfaChallengeType : TokenType),
});

@ArgsType()
class LoginArgs {
  @Field(() => String, {
    description: "The username or the email address. Upper and lower case are the same.",
  })
  @IsText(...LOGIN)
  username!: string;

  // No rule: a password that cannot be correct is a failed login like any other.
  @Field(() => String, { description: "The password, exactly as it was set." })
  password!: string;
}

@ArgsType()
class ChallengeArgs {
  @Field(() => String, { description: "The challenge from `signIn`, or from the error of `login`." })
  @IsText(...CHALLENGE)
  challenge!: string;
}

@ArgsType()
class VerifyTotpArgs extends ChallengeArgs {
  @Field(() => String, { description: "The six digits that the authenticator app shows." })
  @IsText(...CODE)
  code!: string;
}

@ArgsType()
class VerifyRecoveryCodeArgs extends ChallengeArgs {
  @Field(() => String, {
    description: "A recovery code. Upper and lower case, spaces and hyphens make no difference.",
  })
  @IsText(...CODE)
  code!: string;
}

@ArgsType()
class ReauthenticateArgs {
  @Field(() => String, { nullable: true, description: "The password, if the account has no second factor." })
  password?: string | null;

  @Field(() => String, { nullable: true, description: "The six digits that the authenticator app shows." })
  @IsOptional()
  @IsText(...CODE)
  code?: string | null;

  @Field(() => GraphQLJSONObject, {
    nullable: true,
    description:
      "The credential that `navigator.credentials.get` returned for the options of `startPasskeyReauthentication`, converted with `toJSON()`.",
  })
  @IsOptional()
  @IsAssertion()
  passkey?: object | null;
}

export interface SignInResolverDeps {
  login: Login;
  secondFactor: SecondFactor;
  reauthentication: Reauthentication;
}

@Resolver()
export class SignInResolver {
  constructor(private readonly deps: SignInResolverDeps) {}

  @OncePerRequest()
  @Mutation(() => TokenType, {
    description:
      "Logs a user in with a password, and creates a session. Errors: `INVALID_CREDENTIALS`, `MFA_REQUIRED` (the account has a second factor: answer the challenge in `extensions.mfa`), `ACCOUNT_DISABLED`, `EMAIL_NOT_VERIFIED`, `BAD_USER_INPUT`, `RATE_LIMITED`, `OVERLOADED`.",
  })
  async login(
    @Ctx() { caller, refreshCookie }: Context,
    @Args(() => LoginArgs) { username, password }: LoginArgs,
  ) {
    return deliverToken(await this.deps.login.login(username, password, caller), refreshCookie);
  }

  @OncePerRequest()
  @Mutation(() => SignInResult, {
    description:
      "As `login`, but for an account with a second factor it returns the challenge as data. Errors: `INVALID_CREDENTIALS`, `ACCOUNT_DISABLED`, `EMAIL_NOT_VERIFIED`, `BAD_USER_INPUT`, `RATE_LIMITED`, `OVERLOADED`.",
  })
  async signIn(
    @Ctx() { caller, refreshCookie }: Context,
    @Args(() => LoginArgs) { username, password }: LoginArgs,
  ): Promise<TokenType | MfaChallengeType> {
    const result = await this.deps.login.signIn(username, password, caller);
    if (result.kind === "token") return deliverToken(result.token, refreshCookie);
    const { challenge, methods, expiresAt } = result.challenge;
    return { challenge, methods, expiresAt: new Date(expiresAt) };
  }

  @OncePerRequest()
  @Mutation(() => TokenType, {
    description:
      "Completes a sign-in with a code from the authenticator app, and creates a session. Errors: `INVALID_TOKEN` (the challenge is no longer valid: sign in again), `INVALID_CREDENTIALS` (the code is wrong, or was used already), `ACCOUNT_DISABLED`, `EMAIL_NOT_VERIFIED`, `BAD_USER_INPUT`, `RATE_LIMITED`.",
  })
  async verifyTotp(
    @Ctx() { caller, refreshCookie }: Context,
    @Args(() => VerifyTotpArgs) { challenge, code }: VerifyTotpArgs,
  ) {
    return deliverToken(await this.deps.secondFactor.verifyTotp(challenge, code, caller), refreshCookie);
  }

  @OncePerRequest()
  @Mutation(() => TokenType, {
    description:
      "Completes a sign-in with a recovery code, which works once, and creates a session. Errors: `INVALID_TOKEN` (the challenge is no longer valid: sign in again), `INVALID_CREDENTIALS` (the code is wrong, or was used already), `ACCOUNT_DISABLED`, `EMAIL_NOT_VERIFIED`, `BAD_USER_INPUT`, `RATE_LIMITED`.",
  })
  async verifyRecoveryCode(
    @Ctx() { caller, refreshCookie }: Context,
    @Args(() => VerifyRecoveryCodeArgs) { challenge, code }: VerifyRecoveryCodeArgs,
  ) {
    return deliverToken(
      await this.deps.secondFactor.verifyRecoveryCode(challenge, code, caller),
      refreshCookie,
    );
  }

  @Auth("USER", { beforeEnrollment: true })
  @OncePerRequest()
  @Mutation(() => TokenType, {
    description:
      "Renews the caller's authentication, for fields that require a recent one, and returns a new access token for the same session. Takes exactly one argument. Errors: `UNAUTHENTICATED`, `INVALID_CREDENTIALS`, `INVALID_TOKEN` (the passkey's challenge is no longer valid: start again), `FORBIDDEN` (the server has no passkeys), `BAD_USER_INPUT` (also for the password of an account with a second factor), `RATE_LIMITED`, `OVERLOADED`.",
  })
  async reauthenticate(
    @Ctx() context: Context,
    @Args(() => ReauthenticateArgs) { password, code, passkey }: ReauthenticateArgs,
  ) {
    const { user } = signedIn(context);
    const actor = actorOf(context);
    const given = [password, code, passkey].filter((each) => each != null);
    if (given.length !== 1) {
      const message = "send exactly one of password, code and passkey";
      throw invalidInput([{ field: "reauthenticate", rule: "exactlyOne", message }]);
    }
    const { reauthentication } = this.deps;
    const renewed =
      password != null
        ? await reauthentication.withPassword(user, actor, password)
        : code != null
          ? await reauthentication.withCode(user, actor, code)
          : await reauthentication.withPasskey(actor, readAssertion(passkey)!);
    return deliverToken(renewed, context.refreshCookie);
  }
}
