import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import cors, { type FastifyCorsOptions } from "@fastify/cors";
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from "fastify";
import { MINUTE, SECOND } from "../clock.js";
import { LatchkeyError } from "../errors.js";
import { httpHeadOf } from "../graphql/format-error.js";
import type { Metrics } from "../metrics.js";
import type { DatabaseHealth } from "../services/database-health.js";
import { trustOf } from "./caller.js";
import { type Failure, failureOf, isRefusal } from "./failures.js";
import { refuseOtherMethods } from "./hooks/allowed-methods.js";
import { refuseCompressedBodies } from "./hooks/compressed-bodies.js";
import { defaultHeaders, type Hsts, type SetDefaultHeaders } from "./hooks/default-headers.js";
import { drainOnClose } from "./hooks/draining.js";
import { paceRefusals } from "./hooks/pacing.js";
import { discardRefusedBodies } from "./hooks/refused-bodies.js";
import { logRequest, logRequests } from "./hooks/request-log.js";
import { refuseRepeatedHeaders } from "./hooks/single-headers.js";

/** The largest body that is read, in bytes. */
const BODY_LIMIT = 64 * 1024;
const HEADER_LIMIT = 16 * 1024;
/** Idle connections are closed after 8 seconds, so it takes 1,250 new ones a second to exhaust these. */
const MAX_CONNECTIONS = 10_000;

/** Longest time to finish requests in flight while stopping, in milliseconds. */
const DRAIN_TIMEOUT = 10 * SECOND;

/** The form of a request id that is taken from a proxy: short, and without characters that mean something to a log. */
const REQUEST_ID = /^[\w.-]{1,128}$/;

export interface ServerOptions {
  logger: FastifyBaseLogger;
  /** Origins whose pages may read answers in a browser. */
  corsOrigins: readonly string[];
  /** Those of them whose pages may also keep a session in a cookie. */
  credentialedOrigins: readonly string[];
  /** Proxies whose `X-Forwarded-*` and `X-Request-Id` headers are trusted. */
  trustedProxies: readonly string[];
  /** How long `close()` keeps accepting connections, in seconds. */
  shutdownDelay: number;
  /** Undefined: the header is not sent. */
  hsts: Hsts | undefined;
  health: DatabaseHealth;
  metrics: Metrics;
}

/**
 * The HTTP server without routes: limits, security headers, CORS, request ids and logs.
 * `close()` finishes the requests in flight before it stops.
 */
export async function createServer(options: ServerOptions): Promise<FastifyInstance> {
  const setHeaders = defaultHeaders(options.hsts);
  const server = createFastify(options, setHeaders);
  logRequests(server, options.metrics);
  drainOnClose(server, {
    delay: options.shutdownDelay * SECOND,
    timeout: DRAIN_TIMEOUT,
    onTimeout: () => options.logger.warn("stopping with requests still in flight"),
  });
  server.addHook("onRequest", (request, reply, done) => {
    setHeaders(request, reply);
    done();
  });
  await addCors(server, options);
  refuseOtherMethods(server);
  refuseRepeatedHeaders(server);
  refuseCompressedBodies(server);
  paceRefusals(server);
  discardRefusedBodies(server);
  server.setErrorHandler<Failure>((thrown, request, reply) =>
    sendFailure(failureOf(thrown, options.health), request, reply),
  );
  server.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({ error: "There is nothing at this path." }),
  );
  return server;
}

function createFastify(
  { logger, trustedProxies, metrics }: ServerOptions,
  setHeaders: SetDefaultHeaders,
): FastifyInstance {
  const isTrusted = trustOf(trustedProxies);
  const server = fastify({
    loggerInstance: logger,
    // With no proxy to trust, Fastify reads no header that one would set.
    trustProxy: trustedProxies.length > 0 && isTrusted,
    // logRequests writes one line for each request.
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: (request) => requestIdOf(request, isTrusted),
    // Requests that arrive while it stops are answered normally.
    return503OnClosing: false,
    bodyLimit: BODY_LIMIT,
    requestTimeout: 8 * SECOND,
    // Longer than a login may wait in the password queue.
    connectionTimeout: MINUTE,
    keepAliveTimeout: 5 * SECOND,
    // By default Node checks the timeouts only every 30 seconds.
    http: { maxHeaderSize: HEADER_LIMIT, headersTimeout: 8 * SECOND, connectionsCheckingInterval: SECOND },
    // For a path that the router cannot decode. Its own answer would quote the path, and no hook runs for it.
    frameworkErrors: (_error, request, reply) => {
      setHeaders(request, reply as FastifyReply);
      sendMalformedPath(request, reply as FastifyReply);
    },
  });
  server.removeContentTypeParser("text/plain");
  server.server.maxConnections = MAX_CONNECTIONS;
  // A worker would otherwise pass the connection to the next one, around and around when all are full.
  Object.assign(server.server, { dropMaxConnection: true });
  server.server.on("drop", () => metrics.connectionDropped());
  return server;
}

function requestIdOf(
  { headers, socket }: IncomingMessage,
  isTrusted: (address: string | undefined) => boolean,
): string {
  const id = headers["x-request-id"];
  const isUsable = typeof id === "string" && REQUEST_ID.test(id) && isTrusted(socket.remoteAddress);
  return isUsable ? id : randomUUID();
}

function sendMalformedPath(request: FastifyRequest, reply: FastifyReply): void {
  request.facts = {};
  reply.raw.once("close", () => logRequest(request, reply, reply.elapsedTime));
  reply.code(400).send({ error: "The path is malformed." });
}

async function addCors(
  server: FastifyInstance,
  { corsOrigins, credentialedOrigins }: Pick<ServerOptions, "corsOrigins" | "credentialedOrigins">,
): Promise<void> {
  if (corsOrigins.length === 0) return;
  const options = {
    origin: [...corsOrigins],
    methods: ["GET", "POST"],
    exposedHeaders: ["WWW-Authenticate", "Retry-After", "X-Request-Id"],
    maxAge: 600,
  };
  await server.register(cors, {
    delegator: ({ headers }: FastifyRequest, callback: (error: null, options: FastifyCorsOptions) => void) =>
      callback(null, { ...options, credentials: credentialedOrigins.includes(headers.origin ?? "") }),
  });
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
