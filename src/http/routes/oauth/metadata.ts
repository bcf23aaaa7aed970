import type { FastifyInstance } from "fastify";

/**
 * The authorization server's metadata (RFC 8414), also where OpenID Connect Discovery has them: RFC 8414, 5 allows that,
 * and some clients look nowhere else. There are no ID tokens, and so none of the members for them.
 * @param options.introspection whether `/introspect` is served
 * @param options.scopes all that a user can have
 */
export function addMetadata(
  server: FastifyInstance,
  { issuer, introspection, scopes }: { issuer: string; introspection: boolean; scopes: readonly string[] },
): void {
  const metadata = {
    issuer,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    revocation_endpoint: `${issuer}/revoke`,
    ...(introspection && {
      introspection_endpoint: `${issuer}/introspect`,
      introspection_endpoint_auth_methods_supported: ["client_secret_basic"],
    }),
    grant_types_supported: ["password", "refresh_token"],
    scopes_supported: scopes,
    response_types_supported: [],
    token_endpoint_auth_methods_supported: ["none"],
    revocation_endpoint_auth_methods_supported: ["none"],
  };
  // The issuer's path, if it has one, comes after the well-known part in RFC 8414, 3.1, and before it in OpenID Connect.
  // A proxy in front of us removes it there, as for all our paths.
  const path = new URL(issuer).pathname.replace(/\/$/, "");
  for (const url of [`/.well-known/oauth-authorization-server${path}`, "/.well-known/openid-configuration"]) {
    server.get(url, async (_request, reply) =>
      reply.header("cache-control", "public, max-age=3600").send(metadata),
    );
  }
}
