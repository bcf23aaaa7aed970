import { IsOptional, Max, Min } from "class-validator";
import {
  Args,
  ArgsType,
  Ctx,
  Field,
  ID,
  Int,
  Mutation,
  ObjectType,
  Query,
  Resolver,
  registerEnumType,
} from "type-graphql";
import { hasCode, invalidInput, LatchkeyError } from "../errors.js";
import type { Refresh } from "../services/sessions/refresh.js";
import type { Sessions } from "../services/sessions/sessions.js";
import { requireRole } from "../services/sessions/viewer.js";
import type { AuthenticationMethod, Session } from "../storage/sessions.js";
import { Auth } from "./auth-checker.js";
import { MAX_PAGE } from "./connection.js";
import { actorOf, type Context, signedIn } from "./context.js";
import { IP_ADDRESS, MaxItems, MaxText } from "./limits/max-size.js";
import { OncePerRequest } from "./once-per-request.js";
import { deliverToken, REFRESH_TOKEN, type RefreshCookie, TokenType } from "./token.js";
import { IsId, IsText } from "./validation.js";

@ArgsType()
class RefreshTokenArgs {
  @Field(() => String, {
    nullable: true,
    description: "A refresh token of the session. Leave it out when it is kept in a cookie.",
  })
  @IsOptional()
  @IsText(...REFRESH_TOKEN)
  refreshToken?: string | null;
}

@ArgsType()
class SessionArgs {
  @Field(() => ID, { description: "The id of the session." })
  @IsId()
  id!: string;
}

@ArgsType()
class MySessionsArgs {
  @Field(() => Int, {
    defaultValue: 50,
    description: `The maximum number of sessions to return, 1 to ${MAX_PAGE}.`,
  })
  @Min(1)
  @Max(MAX_PAGE)
  first!: number;

  @Field(() => ID, { nullable: true, description: "The id of the last session on the previous page." })
  @IsOptional()
  @IsId()
  after?: string | null;
}

const AuthenticationMethodEnum = {
  PASSWORD: "pwd",
  ONE_TIME_CODE: "otp",
  HARDWARE_KEY: "hwk",
  SOFTWARE_KEY: "swk",
  USER_PRESENCE: "user",
  MULTIPLE_FACTORS: "mfa",
} as const satisfies Record<string, AuthenticationMethod>;
registerEnumType(AuthenticationMethodEnum, {
  name: "AuthenticationMethod",
  description: "How a user proves who they are.",
  valuesConfig: {
    PASSWORD: { description: "With the password (`pwd` of RFC 8176)." },
    ONE_TIME_CODE: { description: "With a code from an authenticator app, or a recovery code (`otp`)." },
    HARDWARE_KEY: { description: "With a passkey that cannot leave its device (`hwk`)." },
    SOFTWARE_KEY: { description: "With a passkey that is synced between devices (`swk`)." },
    USER_PRESENCE: { description: "By touching the device of a passkey (`user`)." },
    MULTIPLE_FACTORS: { description: "With more than one factor (`mfa`)." },
  },
});

/** http/caller.ts truncates it to this length. */
const USER_AGENT = [0, 256] as const;

@ObjectType("Session", {
  description: "A session: begins with a login on one device, and ends by logout, revocation or expiry.",
})
class SessionType {
  @Field(() => ID, { description: "The session's permanent id." })
  id!: string;

  @Field(() => Date, { description: "When the user logged in." })
  createdAt!: Date;

  @Field(() => Date, { description: "When the session was last refreshed, or created." })
  lastUsedAt!: Date;

  @Field(() => Date, { description: "When the session expires unless it is refreshed first." })
  expiresAt!: Date;

  @Field(() => String, { nullable: true, description: "The `User-Agent` of the login." })
  @MaxText(USER_AGENT)
  userAgent!: string | null;

  @Field(() => String, { nullable: true, description: "The IP address of the login." })
  @MaxText(IP_ADDRESS)
  ipAddress!: string | null;

  @Field(() => Date, { description: "When the user last proved who they are in this session." })
  authenticatedAt!: Date;

  @Field(() => [AuthenticationMethodEnum], { description: "How the user proved who they are." })
  @MaxItems(Object.keys(AuthenticationMethodEnum).length)
  authenticationMethods!: readonly AuthenticationMethod[];

  @Field(() => Boolean, { description: "Whether this request belongs to the session." })
  current!: boolean;
}

export interface SessionResolverDeps {
  refresh: Refresh;
  sessions: Sessions;
}

@Resolver()
export class SessionResolver {
  constructor(private readonly deps: SessionResolverDeps) {}

  @OncePerRequest()
  @Mutation(() => TokenType, {
    description:
      "Returns new access and refresh tokens for a session. A refresh token works once; using it again later ends the session. Errors: `INVALID_TOKEN` (also when the request uses `Latchkey-Session: cookie` and has no cookie), `BAD_USER_INPUT`, `RATE_LIMITED`.",
  })
  async refreshToken(
    @Ctx() { caller, refreshCookie }: Context,
    @Args(() => RefreshTokenArgs) { refreshToken }: RefreshTokenArgs,
  ) {
    const token = refreshToken ?? refreshCookie?.value;
    if (token === undefined) throw noRefreshToken(refreshCookie);
    const issued = await this.deps.refresh.refresh(token, caller).catch(async (error: unknown) => {
      const isRefused = token === refreshCookie?.value && hasCode(error, "INVALID_TOKEN");
      if (isRefused && !(await this.deps.refresh.hasJustEnded(token))) refreshCookie.clear();
      throw error;
    });
    return deliverToken(issued, refreshCookie);
  }

  @OncePerRequest()
  @Mutation(() => Boolean, {
    description:
      "Ends the session of the access token, and those of the refresh tokens in the argument and the cookie; the access token may have expired. Clears the cookie. Always returns true. Errors: `UNAUTHENTICATED` (no valid access token, no refresh token, and no `Latchkey-Session: cookie`), `BAD_USER_INPUT`.",
  })
  async logout(@Ctx() context: Context, @Args(() => RefreshTokenArgs) { refreshToken }: RefreshTokenArgs) {
    const { viewer, caller, refreshCookie } = context;
    if (refreshToken == null && refreshCookie === undefined) requireRole(viewer, "USER");
    if (viewer.kind === "user") await this.deps.sessions.logout(actorOf(context));
    for (const token of [refreshToken, refreshCookie?.value])
      if (token != null) await this.deps.refresh.end(token, caller);
    refreshCookie?.clear();
    return true;
  }

  @Auth()
  @Query(() => [SessionType], {
    description:
      "The signed-in user's active sessions, newest first. Errors: `UNAUTHENTICATED`, `BAD_USER_INPUT`.",
  })
  async mySessions(@Ctx() context: Context, @Args(() => MySessionsArgs) { first, after }: MySessionsArgs) {
    const { user, sessionId } = signedIn(context);
    const sessions = await this.deps.sessions.list(user.id, { first, after: after ?? undefined });
    return sessions.map((session) => toSessionType(session, sessionId));
  }

  @Auth()
  @Mutation(() => Boolean, {
    description:
      "Ends one of the signed-in user's sessions. Always returns true. Errors: `UNAUTHENTICATED`, `NOT_FOUND` (also for another user's session), `BAD_USER_INPUT`.",
  })
  async revokeSession(@Ctx() context: Context, @Args(() => SessionArgs) { id }: SessionArgs) {
    await this.deps.sessions.revoke(actorOf(context), id);
    return true;
  }

  @Auth()
  @Mutation(() => Int, {
    description:
      "Ends all of the signed-in user's other sessions, and returns their number. Errors: `UNAUTHENTICATED`.",
  })
  async revokeOtherSessions(@Ctx() context: Context) {
    return this.deps.sessions.revokeOthers(actorOf(context));
  }
}

function noRefreshToken(cookie: RefreshCookie | undefined): LatchkeyError {
  if (cookie !== undefined)
    return new LatchkeyError("INVALID_TOKEN", "There is no session in a cookie. Log in.");
  const message = "refreshToken is required, unless it is kept in a cookie: Latchkey-Session: cookie";
  return invalidInput([{ field: "refreshToken", rule: "required", message }]);
}

function toSessionType(session: Session, currentId: string): SessionType {
  return {
    id: session.id,
    createdAt: new Date(session.createdAt),
    lastUsedAt: new Date(session.lastUsedAt),
    expiresAt: new Date(session.expiresAt),
    userAgent: session.userAgent,
    ipAddress: session.ipAddress,
    authenticatedAt: new Date(session.authenticatedAt),
    authenticationMethods: session.authenticationMethods,
    current: session.id === currentId,
  };
}
