import formbody from "@fastify/formbody";
import type { FastifyInstance } from "fastify";
import type { KeyRing } from "../../../crypto/key-ring.js";
import type { DatabaseHealth } from "../../../services/database-health.js";
import type { Scopes } from "../../../services/scopes.js";
import type { Refresh } from "../../../services/sessions/refresh.js";
import type { Sessions } from "../../../services/sessions/sessions.js";
import type { Login } from "../../../services/sign-in/login.js";
import type { Failure } from "../../failures.js";
import { type OAuthError, oauthErrorHandler } from "./errors.js";
import { addIntrospectEndpoint } from "./introspect.js";
import { addJwks } from "./jwks.js";
import { addMetadata } from "./metadata.js";
import { addRevokeEndpoint } from "./revoke.js";
import { addTokenEndpoint } from "./token.js";

export interface OAuthOptions {
  keys: KeyRing;
  login: Login;
  refresh: Refresh;
  sessions: Sessions;
  scopes: Scopes;
  health: DatabaseHealth;
  /** The tokens' `iss`, and the start of each endpoint's URL. */
  issuer: string;
  /** Undefined: `/introspect` is not served. */
  introspectionSecret: string | undefined;
}

/** The standard endpoints, over the same services, for clients that speak OAuth 2 instead of GraphQL. */
export async function addOAuth(server: FastifyInstance, options: OAuthOptions): Promise<void> {
  const { keys, login, refresh, sessions, scopes, health, issuer, introspectionSecret } = options;
  addJwks(server, { keys });
  addMetadata(server, {
    issuer,
    introspection: introspectionSecret !== undefined,
    scopes: scopes.all,
  });
  await server.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    await scope.register(formbody);
    scope.setErrorHandler<OAuthError | Failure>(oauthErrorHandler(health));
    addTokenEndpoint(scope, { login, refresh });
    addRevokeEndpoint(scope, { refresh, sessions });
    if (introspectionSecret !== undefined)
      addIntrospectEndpoint(scope, { sessions, secret: introspectionSecret });
  });
}
