import { GraphQLJWT } from "graphql-scalars";
import { Field, Int, ObjectType } from "type-graphql";
import type { IssuedToken } from "../services/sessions/sessions.js";
import { MaxBytes, MaxText } from "./limits/max-size.js";
import { toUserType, UserType } from "./user.js";

/** The cookie that keeps a browser's refresh token, if the request asks for it. */
export interface RefreshCookie {
  /** The refresh token that the browser sent. */
  readonly value: string | undefined;
  /**
   * Keeps a refresh token instead of `value`, and ends the session of `value` if that is another one.
   * @param expiresAt when the session expires, in epoch milliseconds
   */
  keep(refreshToken: string, expiresAt: number): Promise<void>;
  clear(): void;
}

/** Issued tokens have 43 characters. Any other text up to the limit is looked up too, and not found. */
export const REFRESH_TOKEN = [1, 200] as const;

@ObjectType("Token", { description: "The tokens of a session." })
export class TokenType {
  @Field(() => GraphQLJWT, {
    description: "The access token, a JWT as RFC 9068 defines it. Send it as `Authorization: Bearer …`.",
  })
  accessToken!: string;

  @Field(() => String, {
    description: "The scheme to send the access token with: always `bearer` (RFC 6750).",
  })
  @MaxBytes(8)
  tokenType!: string;

  @Field(() => Int, { description: "Seconds until the access token expires." })
  expiresIn!: number;

  @Field(() => Date, { description: "When the access token expires." })
  expiresAt!: Date;

  @Field(() => String, {
    nullable: true,
    description:
      "A token that works once: `refreshToken` exchanges it for new ones. Keep it where scripts cannot read it. Null when it is kept in a cookie (`Latchkey-Session: cookie`), and from `reauthenticate`, which leaves the one you have.",
  })
  @MaxText(REFRESH_TOKEN)
  refreshToken!: string | null;

  @Field(() => UserType, { description: "The user the session belongs to." })
  user!: UserType;
}

/**
 * Returns the tokens of a session to the client.
 * @param cookie keeps the refresh token; undefined: the client does
 */
export async function deliverToken(
  { accessToken, expiresIn, expiresAt, refreshToken, session, user }: IssuedToken,
  cookie: RefreshCookie | undefined,
): Promise<TokenType> {
  if (refreshToken !== null) await cookie?.keep(refreshToken, session.expiresAt);
  return {
    accessToken,
    tokenType: "bearer",
    expiresIn,
    expiresAt: new Date(expiresAt),
    refreshToken: cookie === undefined ? refreshToken : null,
    user: toUserType(user),
  };
}
