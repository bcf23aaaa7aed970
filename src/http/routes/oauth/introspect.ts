import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Sessions } from "../../../services/sessions/sessions.js";
import { presentsSecret } from "../../shared-secret.js";
import { OAuthError } from "./errors.js";
import { readForm, required } from "./form.js";

/**
 * Tells other services whether an access token is active (RFC 7662).
 * @param options.secret the secret those services authenticate with
 */
export function addIntrospectEndpoint(
  server: FastifyInstance,
  { sessions, secret }: { sessions: Sessions; secret: string },
): void {
  server.post("/introspect", { config: { cors: false } }, async (request) => {
    authenticateService(request, secret);
    const introspection = await sessions.introspect(required(readForm(request), "token"));
    return introspection === undefined
      ? { active: false }
      : { active: true, token_type: "Bearer", ...introspection };
  });
}

function authenticateService({ headers }: FastifyRequest, secret: string): void {
  if (presentsSecret(headers.authorization, secret)) return;
  throw new OAuthError("invalid_client", "Authenticate with the INTROSPECTION_SECRET.", 401);
}
