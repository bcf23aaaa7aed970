import type { FastifyInstance } from "fastify";
import { readViewer } from "../../graphql/context.js";
import type { Access } from "../../services/sessions/access.js";
import type { Sessions } from "../../services/sessions/sessions.js";

/**
 * Serves `/forward-auth`, which a proxy calls before it passes a request on (nginx's `auth_request`, Caddy's
 * `forward_auth`, Traefik's `forwardAuth`): 200 with the user's id and roles in headers, 401 without a valid token, or 403
 * for a user who must add a second factor first. The user is read from the database each time, as for `me`. Some proxies
 * use the client's method, so the token decides for every method. CORS is off: it would answer a preflight with 204,
 * which a proxy takes for a yes.
 */
export async function addForwardAuth(
  server: FastifyInstance,
  { sessions, access }: { sessions: Sessions; access: Access },
): Promise<void> {
  await server.register(async (scope) => {
    // The proxy sends the client's headers without its body.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, _body, done) => done(null));
    scope.all("/forward-auth", { config: { cors: false } }, async (request, reply) => {
      const viewer = await readViewer(sessions, request.headers.authorization);
      request.facts.viewer = viewer;
      const user = access.require(viewer, { role: "USER" });
      return reply.headers({ "latchkey-user-id": user.id, "latchkey-roles": user.roles.join(" ") }).send();
    });
  });
}
