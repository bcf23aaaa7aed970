import { ApolloServer, type ApolloServerPlugin } from "@apollo/server";
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from "@apollo/server/plugin/disabled";
import { ApolloServerPluginLandingPageLocalDefault } from "@apollo/server/plugin/landingPage/default";
import { fastifyApolloHandler } from "@as-integrations/fastify";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { GraphQLSchema } from "graphql";
import { type Context, readViewer } from "../graphql/context.js";
import { createFormatError, httpHeadOf } from "../graphql/format-error.js";
import { createLoaders } from "../graphql/loaders.js";
import { operationTypeRule } from "../graphql/operation-types.js";
import type { Items } from "../services/items.js";
import type { Sessions } from "../services/sessions.js";
import { clientOf } from "./client.js";

/** Serves the schema at `/graphql`, GraphQL over HTTP's way. */
export async function addGraphQL(
  server: FastifyInstance,
  options: { schema: GraphQLSchema; sessions: Sessions; items: Items; apolloSandbox: boolean },
): Promise<void> {
  const { schema, sessions, items, apolloSandbox } = options;
  const apollo = new ApolloServer<Context>({
    schema,
    validationRules: [operationTypeRule],
    introspection: apolloSandbox,
    hideSchemaDetailsFromClientErrors: !apolloSandbox,
    includeStacktraceInErrorResponses: false,
    persistedQueries: false,
    stopOnTerminationSignals: false,
    logger: server.log,
    formatError: createFormatError((err, errorId) => server.log.error({ err, errorId }, "operation failed")),
    plugins: [
      errorHead,
      ApolloServerPluginCacheControlDisabled(),
      ApolloServerPluginUsageReportingDisabled(),
      apolloSandbox ? ApolloServerPluginLandingPageLocalDefault() : ApolloServerPluginLandingPageDisabled(),
    ],
  });
  await apollo.start();
  server.addHook("onClose", () => apollo.stop());

  const handler = fastifyApolloHandler(apollo, {
    context: async (request) => ({
      viewer: await readViewer(sessions, request.headers.authorization),
      client: clientOf(request),
      loaders: createLoaders({ items }),
    }),
  });
  await server.register(async (scope) => {
    scope.setErrorHandler<Error & { statusCode?: number }>((error, _request, reply) => {
      const status = error.statusCode ?? 500;
      if (status < 500) return refuse(reply, status, error.message);
      throw error;
    });
    scope.addHook("onRequest", async (request, reply) => {
      // Node keeps the first of several; a proxy before us may have judged by the last.
      if ((request.raw.headersDistinct["authorization"]?.length ?? 0) > 1) {
        reply.header("www-authenticate", 'Bearer error="invalid_request"');
        return refuse(reply, 400, "Send one Authorization header.");
      }
      // RFC 9112, 3.2. Apollo's handler makes a URL of it.
      if (!URL.canParse(request.url, `http://${request.hostname}/`)) {
        return refuse(reply, 400, "The Host header is malformed.");
      }
    });
    scope.route({
      method: ["GET", "POST"],
      url: "/graphql",
      handler: async function graphql(this: FastifyInstance, request: FastifyRequest, reply: FastifyReply) {
        // The landing page loads Apollo Sandbox, and brings a content policy of its own.
        if (apolloSandbox && request.method === "GET") reply.removeHeader("content-security-policy");
        return handler.call(this, request, reply);
      },
    });
  });
}

/** The design's statuses and headers, on answers that carry no data. */
const errorHead: ApolloServerPlugin<Context> = {
  async requestDidStart() {
    return {
      async willSendResponse({ response: { body, http } }) {
        if (body.kind !== "single" || body.singleResult.data != null || !body.singleResult.errors) return;
        const { status, headers } = httpHeadOf(body.singleResult.errors);
        // What Apollo itself refuses has its status already.
        http.status ??= status;
        for (const [name, value] of Object.entries(headers)) http.headers.set(name, value);
      },
    };
  },
};

/** A request that never became a GraphQL one is refused in GraphQL's form all the same. */
function refuse(reply: FastifyReply, status: number, message: string): FastifyReply {
  return reply.code(status).send({ errors: [{ message, extensions: { code: "BAD_REQUEST" } }] });
}
