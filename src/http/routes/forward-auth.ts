import type { FastifyInstance } from "fastify";
import { readViewer } from "../../graphql/context.js";
import type { Sessions } from "../../services/sessions/sessions.js";
import { requireRole } from "../../services/sessions/viewer.js";

/**
 * Serves `/forward-auth`, for a proxy that asks about each request before it passes it on (nginx's `auth_request`,
 * Caddy's `forward_auth`, Traefik's `forwardAuth`): 200 with the user's id and roles in headers, or 401. The user is read
 * now, as for `me`. It takes any method, since some proxies ask with the client's.
 */
export async function addForwardAuth(
  server: FastifyInstance,
  { sessions }: { sessions: Sessions },
): Promise<void> {
  await server.register(async (scope) => {
    // The headers are the client's, the body is not sent along.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, _body, done) => done(null));
    scope.all("/forward-auth", { config: { cors: false } }, async (request, reply) => {
      const viewer = await readViewer(sessions, request.headers.authorization);
      request.facts.viewer = viewer;
      const user = requireRole(viewer, "USER");
      return reply.headers({ "latchkey-user-id": user.id, "latchkey-roles": user.roles.join(" ") }).send();
    });
  });
}
