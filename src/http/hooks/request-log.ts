import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { SECOND } from "../../clock.js";
import type { Metrics } from "../../metrics.js";
import type { Viewer } from "../../services/sessions/viewer.js";
import { addressOf } from "../caller.js";

/** What the log line of a request has beyond HTTP. It holds no text that the client chose. */
export interface RequestFacts {
  /** The root fields of the GraphQL operation, by their names in the schema. */
  operation?: string;
  viewer?: Viewer;
  /** The error's code. */
  code?: string;
  /** The reason of an UNAUTHENTICATED error. */
  reason?: string;
  /** The fields that failed. */
  fields?: string[];
  /** The id of a masked error. */
  errorId?: string;
}

declare module "fastify" {
  interface FastifyRequest {
    facts: RequestFacts;
  }
}

/** Monitors request these every few seconds. */
const PROBES: readonly (string | undefined)[] = ["/healthz", "/readyz", "/metrics"];

/** Whether the request is for a probe. */
export function isProbe({ routeOptions }: FastifyRequest): boolean {
  return PROBES.includes(routeOptions.url);
}

/** Logs and counts each request, once it is answered or its client is gone. */
export function logRequests(server: FastifyInstance, metrics: Metrics): void {
  server.decorateRequest("facts");
  server.addHook("onRequest", (request, reply, done) => {
    request.facts = {};
    const startedAt = performance.now();
    reply.raw.once("close", () => {
      const milliseconds = performance.now() - startedAt;
      metrics.httpRequestAnswered(
        request.routeOptions.url ?? "none",
        reply.raw.writableFinished ? reply.statusCode : "aborted",
        milliseconds / SECOND,
      );
      logRequest(request, reply, milliseconds);
    });
    done();
  });
}

/** Logs a request. It logs the route instead of the path, which can hold a token. */
export function logRequest(request: FastifyRequest, reply: FastifyReply, milliseconds: number): void {
  const { viewer, ...facts } = request.facts;
  const line = {
    method: request.method,
    path: request.routeOptions.url ?? "(unknown)",
    status: reply.raw.writableFinished ? reply.statusCode : "aborted",
    ms: Math.round(milliseconds * 10) / 10,
    ip: addressOf(request),
    ...(viewer?.kind === "user" && { userId: viewer.user.id, sessionId: viewer.sessionId }),
    ...facts,
  };
  if (isProbe(request)) request.log.debug(line, "request");
  else request.log.info(line, "request");
}
