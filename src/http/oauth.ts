import type { FastifyInstance } from "fastify";
import type { KeyRing } from "../crypto/access-tokens.js";

/** What other services need to verify access tokens with: RFC 7517's key set. */
export async function addOAuth(server: FastifyInstance, { keys }: { keys: KeyRing }): Promise<void> {
  server.get("/.well-known/jwks.json", async (_request, reply) =>
    reply
      .header("cache-control", "public, max-age=60")
      .type("application/jwk-set+json")
      .send(await keys.publicJwks()),
  );
}
