import type { FastifyInstance, FastifyReply } from "fastify";
import type { Caller } from "../../../services/audit.js";
import type { Refresh } from "../../../services/sessions/refresh.js";
import type { IssuedToken } from "../../../services/sessions/sessions.js";
import type { Login } from "../../../services/sign-in/login.js";
import type { SignInResult } from "../../../services/sign-in/start-session.js";
import { callerOf } from "../../caller.js";
import { OAuthError } from "./errors.js";
import { type Form, readForm, required } from "./form.js";

export interface TokenEndpointDeps {
  login: Login;
  refresh: Refresh;
}

/** The token endpoint: the password grant and the refresh grant (RFC 6749, 4.3 and 6). */
export function addTokenEndpoint(server: FastifyInstance, deps: TokenEndpointDeps): void {
  server.post("/token", async (request, reply) => {
    const form = readForm(request);
    const issued = await issueToken(deps, form, callerOf(request));
    return sendToken(reply, issued);
  });
}

/** Other parameters, such as `scope` and `client_id`, are ignored: clients send them by habit. */
async function issueToken({ login, refresh }: TokenEndpointDeps, form: Form, caller: Caller) {
  switch (required(form, "grant_type")) {
    case "password":
      return withoutSecondFactor(
        await login.signIn(required(form, "username"), required(form, "password"), caller),
      );
    case "refresh_token":
      return refresh.refresh(required(form, "refresh_token"), caller);
    default:
      throw new OAuthError("unsupported_grant_type", "grant_type must be password or refresh_token.");
  }
}

/** The password grant has no way to ask for a second factor. */
function withoutSecondFactor(result: SignInResult): IssuedToken {
  if (result.kind === "token") return result.token;
  const message = "The account has a second factor: sign in with the GraphQL mutation signIn instead.";
  throw new OAuthError("invalid_grant", message);
}

/** RFC 6749, 5.1. */
function sendToken(reply: FastifyReply, { accessToken, expiresIn, refreshToken }: IssuedToken) {
  return reply.send({
    access_token: accessToken,
    token_type: "bearer",
    expires_in: expiresIn,
    refresh_token: refreshToken,
  });
}
