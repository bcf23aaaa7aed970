import { randomUUID } from "node:crypto";
import cors from "@fastify/cors";
import helmet from "@fastify/helmet";
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from "fastify";
import type { Metrics } from "../metrics.js";
import { addressOf } from "./client.js";
import { refuseCompressedBodies } from "./compressed-bodies.js";
import { closeKeptAlive } from "./draining.js";
import { refuseTwoAuthorizations } from "./one-authorization.js";
import { paceRefusals } from "./pacing.js";
import { discardRefusedBodies } from "./refused-bodies.js";

/** The largest body that is read, in bytes. */
const BODY_LIMIT = 64 * 1024;
const HEADER_LIMIT = 16 * 1024;
/** Open at once. Those that only dawdle are closed after 8 seconds: it takes 1,250 new ones a second to use these up. */
const MAX_CONNECTIONS = 10_000;

/** Asked for every few seconds by those who watch: not worth a line in the log each time. */
const PROBES = ["/healthz", "/readyz", "/metrics"];

/**
 * The edge: limits, security headers, CORS, request ids and logs. Routes are added to it.
 * `close()` stops accepting, finishes what is in flight, and answers 503 to what still arrives.
 * @param options.corsOrigins browsers' origins that may read answers
 * @param options.trustedProxies proxies whose `X-Forwarded-For` is believed
 */
export async function createServer(options: {
  logger: FastifyBaseLogger;
  corsOrigins: readonly string[];
  trustedProxies: readonly string[];
  metrics: Metrics;
}): Promise<FastifyInstance> {
  const server = fastify({
    loggerInstance: options.logger.child(
      {},
      {
        serializers: {
          // The route, not what was asked for: a path, a query string and a header may all hold a token.
          req: (request: FastifyRequest) => ({
            method: request.method,
            path: request.routeOptions?.url ?? "(unknown)",
            ip: addressOf(request),
          }),
        },
      },
    ),
    trustProxy: options.trustedProxies.length > 0 && [...options.trustedProxies],
    logController: new LogController({ disableRequestLogging: ({ url }) => PROBES.includes(url) }),
    genReqId: () => randomUUID(),
    bodyLimit: BODY_LIMIT,
    requestTimeout: 8_000,
    // Longer than a login may wait for its turn.
    connectionTimeout: 60_000,
    keepAliveTimeout: 5_000,
    // Node would look at the timeouts only every 30 seconds.
    http: { maxHeaderSize: HEADER_LIMIT, headersTimeout: 8_000, connectionsCheckingInterval: 1_000 },
    // A path that is no path; the router's own answer would quote it. No hook runs, not those for headers either.
    frameworkErrors: (_error, request, reply) => {
      (reply as FastifyReply)
        .code(400)
        .headers({
          "content-security-policy": "default-src 'none';frame-ancestors 'none'",
          "x-content-type-options": "nosniff",
          "cache-control": "no-store",
          "x-request-id": request.id,
        })
        .send({ error: "The path is malformed." });
    },
  });
  server.removeContentTypeParser("text/plain");
  server.server.maxConnections = MAX_CONNECTIONS;
  server.server.on("drop", () => options.metrics.connectionDropped());
  closeKeptAlive(server);
  await server.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
  });
  if (options.corsOrigins.length > 0) {
    await server.register(cors, {
      origin: [...options.corsOrigins],
      methods: ["GET", "POST"],
      exposedHeaders: ["WWW-Authenticate", "Retry-After", "X-Request-Id"],
      maxAge: 600,
    });
  }
  refuseTwoAuthorizations(server);
  refuseCompressedBodies(server);
  paceRefusals(server);
  discardRefusedBodies(server);
  server.addHook("onResponse", async ({ routeOptions }, { statusCode }) =>
    options.metrics.httpRequestAnswered(routeOptions.url ?? "none", statusCode),
  );
  server.addHook("onSend", async (request, reply) => {
    reply.header("x-request-id", request.id);
    if (!reply.hasHeader("cache-control")) reply.header("cache-control", "no-store");
  });
  server.setErrorHandler<Error & { statusCode?: number }>((error, request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) request.log.error({ err: error }, "request failed");
    return reply
      .code(status)
      .send({ error: status >= 500 ? "Something failed on the server." : error.message });
  });
  server.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({ error: "There is nothing at this path." }),
  );
  return server;
}
