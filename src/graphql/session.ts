import { GraphQLJWT } from "graphql-scalars";
import { Args, ArgsType, Field, Int, Mutation, ObjectType, Resolver } from "type-graphql";
import type { Clock } from "../clock.js";
import type { Login } from "../services/login.js";
import type { IssuedToken } from "../services/sessions.js";
import { toUserType, UserType } from "./account.js";
import { IsText } from "./validation.js";

@ArgsType()
class LoginArgs {
  @Field(() => String, { description: "The username or the e-mail address, in any case." })
  @IsText(1, 320)
  username!: string;

  // No rule: a password that cannot be right is a failed login like any other.
  @Field(() => String, { description: "The password, exactly as it was set." })
  password!: string;
}

@ObjectType("Token", { description: "What a client gets for signing in." })
class TokenType {
  @Field(() => GraphQLJWT, {
    description: "The access token: send it as `Authorization: Bearer …`. Its form is RFC 9068's.",
  })
  accessToken!: string;

  @Field(() => String, { description: "How to send the access token: always `bearer` (RFC 6750)." })
  tokenType!: string;

  @Field(() => Int, { description: "Seconds until the access token expires." })
  expiresIn!: number;

  @Field(() => Date, { description: "When the access token expires." })
  expiresAt!: Date;

  @Field(() => UserType, { description: "The user who signed in." })
  user!: UserType;
}

@Resolver()
export class SessionResolver {
  readonly #login: Login;
  readonly #clock: Clock;

  constructor(login: Login, clock: Clock) {
    this.#login = login;
    this.#clock = clock;
  }

  @Mutation(() => TokenType, {
    description:
      "Signs a user in with a password. Errors: `INVALID_CREDENTIALS`, `ACCOUNT_DISABLED`, `BAD_USER_INPUT`, `OVERLOADED`.",
  })
  async login(@Args(() => LoginArgs) { username, password }: LoginArgs): Promise<TokenType> {
    return this.#toTokenType(await this.#login.login(username, password));
  }

  #toTokenType({ accessToken, expiresAt, user }: IssuedToken): TokenType {
    return {
      accessToken,
      tokenType: "bearer",
      expiresIn: Math.floor((expiresAt - this.#clock.now()) / 1000),
      expiresAt: new Date(expiresAt),
      user: toUserType(user),
    };
  }
}
