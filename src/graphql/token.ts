import { GraphQLJWT } from "graphql-scalars";
import { Field, Int, ObjectType } from "type-graphql";
import type { IssuedToken } from "../services/sessions/sessions.js";
import { MaxBytes, MaxText } from "./limits/max-size.js";
import { toUserType, UserType } from "./user.js";

/** What is given has 43 characters; what comes may be anything, and is looked up. */
export const REFRESH_TOKEN = [1, 200] as const;

@ObjectType("Token", { description: "What a client gets for signing in." })
export class TokenType {
  @Field(() => GraphQLJWT, {
    description: "The access token: send it as `Authorization: Bearer …`. Its form is RFC 9068's.",
  })
  accessToken!: string;

  @Field(() => String, { description: "How to send the access token: always `bearer` (RFC 6750)." })
  @MaxBytes(8)
  tokenType!: string;

  @Field(() => Int, { description: "Seconds until the access token expires." })
  expiresIn!: number;

  @Field(() => Date, { description: "When the access token expires." })
  expiresAt!: Date;

  @Field(() => String, {
    description:
      "Gets the next token, once, by `refreshToken`. Keep it where no other site's script can read it.",
  })
  @MaxText(REFRESH_TOKEN)
  refreshToken!: string;

  @Field(() => UserType, { description: "The user who signed in." })
  user!: UserType;
}

export function toTokenType({
  accessToken,
  expiresIn,
  expiresAt,
  refreshToken,
  user,
}: IssuedToken): TokenType {
  return {
    accessToken,
    tokenType: "bearer",
    expiresIn,
    expiresAt: new Date(expiresAt),
    refreshToken,
    user: toUserType(user),
  };
}
