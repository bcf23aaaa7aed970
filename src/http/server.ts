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
import { LatchkeyError } from "../errors.js";
import { httpHeadOf } from "../graphql/format-error.js";
import type { Metrics } from "../metrics.js";
import type { DatabaseHealth } from "../services/database-health.js";
import { trustOf } from "./caller.js";
import { type Failure, failureOf, isRefusal } from "./failures.js";
import { refuseOtherMethods } from "./hooks/allowed-methods.js";
import { refuseCompressedBodies } from "./hooks/compressed-bodies.js";
import { drainOnClose } from "./hooks/draining.js";
import { paceRefusals } from "./hooks/pacing.js";
import { discardRefusedBodies } from "./hooks/refused-bodies.js";
import { logRequest, logRequests } from "./hooks/request-log.js";
import { refuseRepeatedHeaders } from "./hooks/single-headers.js";

/** The largest body that is read, in bytes. */
const BODY_LIMIT = 64 * 1024;
const HEADER_LIMIT = 16 * 1024;
/** Open at once. Those that only dawdle are closed after 8 seconds: it takes 1,250 new ones a second to use these up. */
const MAX_CONNECTIONS = 10_000;

/** Longest time to finish what is in flight while stopping, in milliseconds. */
const DRAIN_TIMEOUT = 10_000;

/** A request id that is kept: short, and nothing in it means anything to a log. */
const REQUEST_ID = /^[\w.-]{1,128}$/;

/**
 * The edge: limits, security headers, CORS, request ids and logs. Routes are added to it.
 * `close()` finishes what was sent before it stops.
 * @param options.corsOrigins browsers' origins that may read answers
 * @param options.trustedProxies proxies whose `X-Forwarded-For` and `X-Request-Id` are believed
 * @param options.shutdownDelay how long `close()` goes on accepting connections, in seconds
 * @param options.hsts what browsers are told of HTTPS (RFC 6797); undefined: nothing
 */
export async function createServer(options: {
  logger: FastifyBaseLogger;
  corsOrigins: readonly string[];
  trustedProxies: readonly string[];
  shutdownDelay: number;
  hsts: { maxAge: number; includeSubDomains: boolean } | undefined;
  health: DatabaseHealth;
  metrics: Metrics;
}): Promise<FastifyInstance> {
  const isTrusted = trustOf(options.trustedProxies);
  const server = fastify({
    loggerInstance: options.logger,
    trustProxy: isTrusted,
    // A line of ours tells the same and more.
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: ({ headers, socket }) => {
      const id = headers["x-request-id"];
      return typeof id === "string" && REQUEST_ID.test(id) && isTrusted(socket.remoteAddress)
        ? id
        : randomUUID();
    },
    // What still arrives while it stops is answered as ever.
    return503OnClosing: false,
    bodyLimit: BODY_LIMIT,
    requestTimeout: 8_000,
    // Longer than a login may wait for its turn.
    connectionTimeout: 60_000,
    keepAliveTimeout: 5_000,
    // Node would look at the timeouts only every 30 seconds.
    http: { maxHeaderSize: HEADER_LIMIT, headersTimeout: 8_000, connectionsCheckingInterval: 1_000 },
    // A path that is no path; the router's own answer would quote it. No hook runs, not those for headers either.
    frameworkErrors: (_error, request, reply) => {
      request.facts = {};
      reply.raw.once("close", () => logRequest(request, reply as FastifyReply, reply.elapsedTime));
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
  logRequests(server, options.metrics);
  drainOnClose(server, {
    delay: options.shutdownDelay * 1000,
    timeout: DRAIN_TIMEOUT,
    onTimeout: () => options.logger.warn("requests were still in flight: stopping without them"),
  });
  await server.register(helmet, {
    strictTransportSecurity: options.hsts ?? false,
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
  refuseOtherMethods(server);
  refuseRepeatedHeaders(server);
  refuseCompressedBodies(server);
  paceRefusals(server);
  discardRefusedBodies(server);
  server.addHook("onSend", async (request, reply) => {
    reply.header("x-request-id", request.id);
    if (!reply.hasHeader("cache-control")) reply.header("cache-control", "no-store");
  });
  server.setErrorHandler<Failure>((thrown, request, reply) =>
    sendFailure(failureOf(thrown, options.health), request, reply),
  );
  server.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({ error: "There is nothing at this path." }),
  );
  return server;
}

function sendFailure(failure: Failure, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (failure instanceof LatchkeyError) {
    const { code, message, details } = failure;
    const head = httpHeadOf([{ message, extensions: { code, ...details } }]);
    request.facts.code = code;
    return reply
      .code(head.status ?? 400)
      .headers(head.headers)
      .send({ error: message });
  }
  if (isRefusal(failure)) return reply.code(failure.statusCode).send({ error: failure.message });
  request.log.error({ err: failure }, "request failed");
  return reply.code(500).send({ error: "Something failed on the server." });
}
