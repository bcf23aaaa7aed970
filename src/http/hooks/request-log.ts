import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { SECOND } from "../../clock.js";
import type { Metrics } from "../../metrics.js";
import type { Viewer } from "../../services/sessions/viewer.js";
import { addressOf } from "../caller.js";

/** What the line of a request tells beyond HTTP. Nothing a client chose is part of it. */
export interface RequestFacts {
  /** The root fields of the GraphQL operation, by the schema's names. */
  operation?: string;
  viewer?: Viewer;
  /** The error's code. */
  code?: string;
  /** Why nobody is signed in, of an UNAUTHENTICATED. */
  reason?: string;
  /** The fields that were answered with an error. */
  fields?: string[];
  /** Of an error that is masked. */
  errorId?: string;
}

declare module "fastify" {
  interface FastifyRequest {
    facts: RequestFacts;
  }
}

/** Asked for every few seconds by those who watch. */
const PROBES: readonly (string | undefined)[] = ["/healthz", "/readyz", "/metrics"];

/** Whether the request is a monitor's. */
export function isProbe({ routeOptions }: FastifyRequest): boolean {
  return PROBES.includes(routeOptions.url);
}

/** Writes one line for each request once it is answered, or its client is gone, and counts it. */
export function logRequests(server: FastifyInstance, metrics: Metrics): void {
  server.decorateRequest("facts");
  server.addHook("onRequest", (request, reply, done) => {
    request.facts = {};
    const startedAt = performance.now();
    reply.raw.once("close", () => {
      const milliseconds = performance.now() - startedAt;
      const route = request.routeOptions.url ?? "none";
      metrics.httpRequestAnswered(
        route,
        reply.raw.writableFinished ? reply.statusCode : "aborted",
        milliseconds / SECOND,
      );
      logRequest(request, reply, milliseconds);
    });
    done();
  });
}

/** Writes the line of a request. The route stands for the path: that, and a query string, may hold a token. */
export function logRequest(request: FastifyRequest, reply: FastifyReply, milliseconds: number): void {
  const { viewer, ...facts } = request.facts;
  const line = {
    method: request.method,
    path: request.routeOptions?.url ?? "(unknown)",
    status: reply.raw.writableFinished ? reply.statusCode : "aborted",
    ms: Math.round(milliseconds * 10) / 10,
    ip: addressOf(request),
    ...(viewer?.kind === "user" && { userId: viewer.user.id, sessionId: viewer.sessionId }),
    ...facts,
  };
  if (isProbe(request)) request.log.debug(line, "request");
  else request.log.info(line, "request");
}
