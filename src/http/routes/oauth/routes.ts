import formbody from "@fastify/formbody";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { KeyRing } from "../../crypto/access-tokens.js";
import { type ErrorCode, LatchkeyError } from "../../errors.js";
import type { DatabaseHealth } from "../../services/database-health.js";
import type { Refresh } from "../../services/sessions/refresh.js";
import type { IssuedToken, Sessions } from "../../services/sessions/sessions.js";
import type { Viewer } from "../../services/sessions/viewer.js";
import type { Login } from "../../services/sign-in/login.js";
import { callerOf } from "../caller.js";
import { presentsSecret } from "../shared-secret.js";

export interface OAuthOptions {
  keys: KeyRing;
  login: Login;
  refresh: Refresh;
  sessions: Sessions;
  health: DatabaseHealth;
  /** The tokens' `iss`, and what the endpoints' addresses start with. */
  issuer: string;
  introspectionSecret: string | undefined;
}

type Form = Record<string, string | undefined>;

/** RFC 6749, 5.2: the request is refused with this error. */
class OAuthError extends Error {
  readonly error: string;
  readonly status: number;

  constructor(error: string, description: string, status = 400) {
    super(description);
    this.error = error;
    this.status = status;
  }
}

/** How our errors are told in OAuth's words; any other is a failure of ours. */
const OAUTH_ERRORS: Partial<Record<ErrorCode, { error: string; status: number }>> = {
  INVALID_CREDENTIALS: { error: "invalid_grant", status: 400 },
  ACCOUNT_DISABLED: { error: "invalid_grant", status: 400 },
  EMAIL_NOT_VERIFIED: { error: "invalid_grant", status: 400 },
  INVALID_TOKEN: { error: "invalid_grant", status: 400 },
  BAD_USER_INPUT: { error: "invalid_request", status: 400 },
  // RFC 6749 has no word for it; the status does.
  RATE_LIMITED: { error: "temporarily_unavailable", status: 429 },
  OVERLOADED: { error: "temporarily_unavailable", status: 503 },
  SERVICE_UNAVAILABLE: { error: "temporarily_unavailable", status: 503 },
};

/** The standard endpoints, for clients that speak OAuth 2 and not GraphQL, over the same services. */
export async function addOAuth(server: FastifyInstance, options: OAuthOptions): Promise<void> {
  const { keys, login, refresh, sessions, health, issuer, introspectionSecret } = options;

  // RFC 7517.
  server.get("/.well-known/jwks.json", async (_request, reply) =>
    reply
      .header("cache-control", "public, max-age=30")
      .type("application/jwk-set+json")
      .send(await keys.publicJwks()),
  );

  // RFC 8414.
  // Where the issuer has a path, that goes behind (RFC 8414, 3.1).
  const path = new URL(issuer).pathname.replace(/\/$/, "");
  server.get(`/.well-known/oauth-authorization-server${path}`, async (_request, reply) =>
    reply.header("cache-control", "public, max-age=3600").send({
      issuer,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/.well-known/jwks.json`,
      revocation_endpoint: `${issuer}/revoke`,
      ...(introspectionSecret !== undefined && {
        introspection_endpoint: `${issuer}/introspect`,
        introspection_endpoint_auth_methods_supported: ["client_secret_basic"],
      }),
      grant_types_supported: ["password", "refresh_token"],
      response_types_supported: [],
      token_endpoint_auth_methods_supported: ["none"],
      revocation_endpoint_auth_methods_supported: ["none"],
    }),
  );

  await server.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    await scope.register(formbody);
    scope.setErrorHandler<OAuthFailure>((error, request, reply) =>
      sendOAuthError(health.translate(error) as OAuthFailure, request, reply),
    );

    // RFC 6749, 4.3 and 6.
    scope.post("/token", async (request, reply) => {
      const form = readForm(request);
      const caller = callerOf(request);
      // What clients send besides, scope and client_id among it, is of no consequence here.
      switch (required(form, "grant_type")) {
        case "password":
          return sendToken(
            reply,
            await login.login(required(form, "username"), required(form, "password"), caller),
          );
        case "refresh_token":
          return sendToken(reply, await refresh.refresh(required(form, "refresh_token"), caller));
        default:
          throw new OAuthError("unsupported_grant_type", "grant_type must be password or refresh_token.");
      }
    });

    // RFC 7009: the answer is the same for a token that is unknown.
    scope.post("/revoke", async (request, reply) => {
      const token = required(readForm(request), "token");
      const caller = callerOf(request);
      const session = (await refresh.sessionOf(token)) ?? sessionOf(await sessions.authenticate(token));
      if (session !== undefined) await sessions.logout({ ...session, caller });
      return reply.code(200).send();
    });

    if (introspectionSecret === undefined) return;
    // RFC 7662.
    scope.post("/introspect", async (request) => {
      if (!presentsSecret(request.headers.authorization, introspectionSecret)) {
        throw new OAuthError("invalid_client", "Authenticate with the INTROSPECTION_SECRET.", 401);
      }
      const introspection = await sessions.introspect(required(readForm(request), "token"));
      return introspection === undefined
        ? { active: false }
        : { active: true, token_type: "Bearer", ...introspection };
    });
  });
}

function sessionOf(viewer: Viewer): { userId: string; sessionId: string } | undefined {
  return viewer.kind === "user" ? { userId: viewer.user.id, sessionId: viewer.sessionId } : undefined;
}

function readForm(request: FastifyRequest): Form {
  const form = (request.body ?? {}) as Record<string, string | string[]>;
  // RFC 6749, 3.2: a parameter must not be sent more than once.
  if (Object.values(form).some((value) => typeof value !== "string")) {
    throw new OAuthError("invalid_request", "A parameter was sent more than once.");
  }
  return form as Form;
}

function required(form: Form, name: string): string {
  const value = form[name];
  if (value === undefined || value === "") throw new OAuthError("invalid_request", `${name} is missing.`);
  return value;
}

/** RFC 6749, 5.1. */
function sendToken(reply: FastifyReply, { accessToken, expiresIn, refreshToken }: IssuedToken): FastifyReply {
  return reply.send({
    access_token: accessToken,
    token_type: "bearer",
    expires_in: expiresIn,
    refresh_token: refreshToken,
  });
}

type OAuthFailure = OAuthError | LatchkeyError | (Error & { statusCode?: number });

function sendOAuthError(error: OAuthFailure, request: FastifyRequest, reply: FastifyReply) {
  if (error instanceof OAuthError) {
    request.facts.code = error.error;
    if (error.status === 401) reply.header("www-authenticate", 'Basic realm="introspection"');
    return reply.code(error.status).send({ error: error.error, error_description: error.message });
  }
  if (error instanceof LatchkeyError) {
    request.facts.code = error.code;
    const known = OAUTH_ERRORS[error.code];
    const { retryAfter } = error.details;
    if (typeof retryAfter === "number") reply.header("retry-after", String(retryAfter));
    if (known) return reply.code(known.status).send({ error: known.error, error_description: error.message });
  }
  const status = ("statusCode" in error && error.statusCode) || 500;
  if (status < 500)
    return reply.code(status).send({ error: "invalid_request", error_description: error.message });
  request.log.error({ err: error }, "request failed");
  return reply
    .code(500)
    .send({ error: "server_error", error_description: "Something failed on the server." });
}
