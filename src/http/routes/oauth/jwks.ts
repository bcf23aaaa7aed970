import type { FastifyInstance } from "fastify";
import type { KeyRing } from "../../../crypto/key-ring.js";

/** The public keys that verify access tokens (RFC 7517). */
export function addJwks(server: FastifyInstance, { keys }: { keys: KeyRing }): void {
  server.get("/.well-known/jwks.json", async (_request, reply) => {
    const jwks = await keys.publicJwks();
    return reply.header("cache-control", "public, max-age=30").type("application/jwk-set+json").send(jwks);
  });
}
