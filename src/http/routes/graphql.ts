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
import { type Context, readViewer } from "../../graphql/context.js";
import { createFormatError, httpHeadOf } from "../../graphql/format-error.js";
import {
  checkAnswerSize,
  documentLimits,
  MAX_ERRORS,
  MAX_TOKENS,
} from "../../graphql/limits/document-limits.js";
import { checkVariables } from "../../graphql/limits/variable-limits.js";
import { createLoaders } from "../../graphql/loaders.js";
import { operationTypeRule } from "../../graphql/operation-types.js";
import type { Metrics } from "../../metrics.js";
import type { DatabaseHealth } from "../../services/database-health.js";
import type { Items } from "../../services/items.js";
import type { Sessions } from "../../services/sessions/sessions.js";
import { type DescribedContext, describeOperations } from "../apollo/describe-operations.js";
import { DocumentStore } from "../apollo/document-store.js";
import { landingPagePolicy } from "../apollo/landing-page.js";
import { insertPersistedDocument, type PersistedDocuments } from "../apollo/persisted-documents.js";
import { callerOf } from "../caller.js";
import { type Failure, isRefusal, refusal, refusalMessage } from "../failures.js";

/** How much of parsed documents is kept, in bytes: some hundreds as clients send them. */
const KEPT_DOCUMENTS = 16 * 1024 * 1024;

/**
 * Serves the schema at `/graphql`, GraphQL over HTTP's way.
 * @param options.persistedDocuments what alone is run; undefined: whatever document comes
 */
export async function addGraphQL(
  server: FastifyInstance,
  options: {
    schema: GraphQLSchema;
    sessions: Sessions;
    items: Items;
    health: DatabaseHealth;
    metrics: Metrics;
    apolloSandbox: boolean;
    persistedDocuments: PersistedDocuments | undefined;
    maxAnswerBytes: number;
  },
): Promise<void> {
  const { schema, sessions, items, health, metrics, apolloSandbox, persistedDocuments, maxAnswerBytes } =
    options;
  const formatError = createFormatError({
    showNames: apolloSandbox,
    translate: (error) => health.translate(error),
    logInternalError: (err, errorId) => server.log.error({ err, errorId }, "operation failed"),
  });
  const apollo = new ApolloServer<DescribedContext>({
    schema,
    introspection: apolloSandbox,
    hideSchemaDetailsFromClientErrors: !apolloSandbox,
    includeStacktraceInErrorResponses: false,
    persistedQueries: false,
    documentStore: new DocumentStore(KEPT_DOCUMENTS),
    parseOptions: { maxTokens: MAX_TOKENS },
    validationRules: [documentLimits, operationTypeRule],
    validationOptions: { maxErrors: MAX_ERRORS },
    executionOptions: { maxCoercionErrors: MAX_ERRORS },
    stopOnTerminationSignals: false,
    logger: server.log,
    formatError,
    plugins: [
      requestLimits(maxAnswerBytes),
      errorHead,
      describeOperations(metrics),
      ApolloServerPluginCacheControlDisabled(),
      ApolloServerPluginUsageReportingDisabled(),
      apolloSandbox ? ApolloServerPluginLandingPageLocalDefault() : ApolloServerPluginLandingPageDisabled(),
    ],
  });
  await apollo.start();
  server.addHook("onClose", () => apollo.stop());

  const handler = fastifyApolloHandler(apollo, {
    context: async (request) => ({
      viewer: request.facts.viewer!,
      caller: callerOf(request),
      loaders: createLoaders({ items }),
      facts: request.facts,
    }),
  });
  await server.register(async (scope) => {
    scope.setErrorHandler<Failure>((failure, request, reply) => {
      const refused = isRefusal(failure);
      const error = refused
        ? { message: refusalMessage(failure, "application/json"), extensions: { code: "BAD_REQUEST" } }
        : formatError({ message: failure.message }, failure);
      const head = httpHeadOf([error]);
      const { code, errorId } = error.extensions ?? {};
      Object.assign(request.facts, { code, errorId });
      return reply
        .code(head.status ?? (refused ? failure.statusCode : 400))
        .headers(head.headers)
        .send({ errors: [error] });
    });
    scope.addHook("onRequest", async (request) => {
      // RFC 9112, 3.2. Apollo's handler makes a URL of both.
      if (!URL.canParse(request.url, `http://${request.hostname}/`))
        throw refusal(400, "Send a valid Host header.");
      if (!URL.canParse(`${request.protocol}://${request.hostname}/`))
        throw refusal(400, "Send a valid X-Forwarded-Proto header.");
    });
    if (persistedDocuments !== undefined) {
      scope.addHook("preHandler", async (request) => insertPersistedDocument(request, persistedDocuments));
    }
    // Before Apollo, whose answer to an error here is 500, whatever it is.
    scope.addHook("preHandler", async (request) => {
      request.facts.viewer = await readViewer(sessions, request.headers.authorization);
    });
    scope.route({
      method: ["GET", "POST"],
      url: "/graphql",
      exposeHeadRoute: false,
      handler: async function graphql(this: FastifyInstance, request: FastifyRequest, reply: FastifyReply) {
        const body = await handler.call(this, request, reply);
        if (reply.statusCode >= 400) request.facts.code ??= "BAD_REQUEST";
        if (typeof body === "string" && String(reply.getHeader("content-type")).startsWith("text/html")) {
          reply.header("content-security-policy", landingPagePolicy(body));
        }
        return body;
      },
    });
  });
}

/** The limits that a document alone cannot be held to. */
function requestLimits(maxAnswerBytes: number): ApolloServerPlugin<Context> {
  return {
    async requestDidStart() {
      return {
        async didResolveOperation({ request: { variables = {} }, document, operation, schema }) {
          checkVariables(variables);
          if (operation) checkAnswerSize(document, operation, schema, variables, maxAnswerBytes);
        },
      };
    },
  };
}

/** The design's statuses and headers, on answers that carry no data. */
const errorHead: ApolloServerPlugin<Context> = {
  async requestDidStart() {
    return {
      async willSendResponse({ response: { body, http } }) {
        if (body.kind !== "single" || body.singleResult.data != null || !body.singleResult.errors) return;
        const { status, headers } = httpHeadOf(body.singleResult.errors);
        // What Apollo itself refuses has its status already.
        http.status = status ?? http.status ?? 200;
        for (const [name, value] of Object.entries(headers)) http.headers.set(name, value);
      },
    };
  },
};
