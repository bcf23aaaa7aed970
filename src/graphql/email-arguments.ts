import { ArgsType, Field } from "type-graphql";
import { LOGIN } from "./user.js";
import { IsText } from "./validation.js";

/** Arguments of a field that emails a link. */
@ArgsType()
export class EmailArgs {
  @Field(() => String, { description: "The email address to send to." })
  @IsText(...LOGIN)
  email!: string;
}

/** Arguments of a field that takes the token from such a link. */
@ArgsType()
export class EmailedTokenArgs {
  // No rule: a token that cannot be one is unknown, as any other.
  @Field(() => String, { description: "The token from the link in the email." })
  token!: string;
}
