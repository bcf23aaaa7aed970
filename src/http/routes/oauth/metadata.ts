import type { FastifyInstance } from "fastify";

/** The authorization server's metadata (RFC 8414). @param options.introspection whether `/introspect` is served */
export function addMetadata(
  server: FastifyInstance,
  { issuer, introspection }: { issuer: string; introspection: boolean },
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
    response_types_supported: [],
    token_endpoint_auth_methods_supported: ["none"],
    revocation_endpoint_auth_methods_supported: ["none"],
  };
  // The issuer's path, if it has one, comes after the well-known part (RFC 8414, 3.1).
  const path = new URL(issuer).pathname.replace(/\/$/, "");
  server.get(`/.well-known/oauth-authorization-server${path}`, async (_request, reply) =>
    reply.header("cache-control", "public, max-age=3600").send(metadata),
  );
}
