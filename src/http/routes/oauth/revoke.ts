import type { FastifyInstance } from "fastify";
import type { Refresh } from "../../../services/sessions/refresh.js";
import type { Sessions } from "../../../services/sessions/sessions.js";
import { callerOf } from "../../caller.js";
import { readForm, required } from "./form.js";

export interface RevokeEndpointDeps {
  refresh: Refresh;
  sessions: Sessions;
}

/** Ends the session of a refresh or access token. The answer is the same for an unknown token (RFC 7009, 2.2). */
export function addRevokeEndpoint(server: FastifyInstance, deps: RevokeEndpointDeps): void {
  server.post("/revoke", async (request, reply) => {
    const token = required(readForm(request), "token");
    const session = await findSession(deps, token);
    if (session !== undefined) await deps.sessions.logout({ ...session, caller: callerOf(request) });
    return reply.code(200).send();
  });
}

async function findSession(
  { refresh, sessions }: RevokeEndpointDeps,
  token: string,
): Promise<{ userId: string; sessionId: string } | undefined> {
  const refreshed = await refresh.sessionOf(token);
  if (refreshed !== undefined) return refreshed;
  const viewer = await sessions.authenticate(token);
  return viewer.kind === "user" ? { userId: viewer.user.id, sessionId: viewer.sessionId } : undefined;
}
