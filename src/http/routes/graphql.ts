import { Readable } from "node:stream";
import { ApolloServer, type ApolloServerPlugin, HeaderMap, type HTTPGraphQLRequest } from "@apollo/server";
import {
  ApolloServerPluginCacheControlDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from "@apollo/server/plugin/disabled";
import { ApolloServerPluginLandingPageLocalDefault } from "@apollo/server/plugin/landingPage/default";
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { GraphQLSchema } from "graphql";
import { type Context, readViewer } from "../../graphql/context.js";
import { createFormatError, httpHeadOf } from "../../graphql/format-error.js";
import {
  answerSizeLimit,
  documentLimits,
  MAX_ERRORS,
  MAX_TOKENS,
} from "../../graphql/limits/document-limits.js";
import { checkVariables } from "../../graphql/limits/variable-limits.js";
import { createLoaders } from "../../graphql/loaders.js";
import { operationTypeRule } from "../../graphql/operation-types.js";
import type { Metrics } from "../../metrics.js";
import type { Administration } from "../../services/accounts/administration.js";
import type { DatabaseHealth } from "../../services/database-health.js";
import type { Items } from "../../services/items.js";
import type { Sessions } from "../../services/sessions/sessions.js";
import { type DescribedContext, describeOperations } from "../apollo/describe-operations.js";
import { DocumentStore } from "../apollo/document-store.js";
import { landingPagePolicy, linkExplorer } from "../apollo/landing-page.js";
import { insertPersistedDocument, type PersistedDocuments } from "../apollo/persisted-documents.js";
import { callerOf } from "../caller.js";
import { type Failure, isRefusal, refusal, refusalMessage } from "../failures.js";
import type { RefreshCookies } from "../refresh-cookies.js";

/** The most memory for parsed documents, in bytes: some hundreds of a usual size. */
const DOCUMENT_STORE_BYTES = 16 * 1024 * 1024;

export interface GraphQLOptions {
  schema: GraphQLSchema;
  sessions: Sessions;
  items: Items;
  administration: Administration;
  health: DatabaseHealth;
  metrics: Metrics;
  apolloSandbox: boolean;
  explorer: boolean;
  /** Whether clients can read the schema, and errors quote its names. */
  introspection: boolean;
  /** The only documents that are run; undefined: any document is run. */
  persistedDocuments: PersistedDocuments | undefined;
  maxResponseBytes: number;
  /** Whether requests come from a gateway. */
  federation: boolean;
  refreshCookies: RefreshCookies;
}

type FormatError = ReturnType<typeof createFormatError>;

/** Serves the schema at `/graphql`, as GraphQL over HTTP specifies. */
export async function addGraphQL(server: FastifyInstance, options: GraphQLOptions): Promise<void> {
  const formatError = createFormatError({
    showNames: options.introspection,
    translate: (error) => options.health.translate(error),
    logInternalError: (err, errorId) => server.log.error({ err, errorId }, "operation failed"),
  });
  const apollo = createApollo(options, { formatError, logger: server.log });
  await apollo.start();
  server.addHook("onClose", () => apollo.stop());
  await server.register(async (scope) => {
    scope.setErrorHandler<Failure>((failure, request, reply) =>
      sendFailure(failure, formatError, request, reply),
    );
    scope.addHook("onRequest", (request, _reply, done) => {
      checkUrl(request);
      done();
    });
    const { persistedDocuments } = options;
    if (persistedDocuments !== undefined) {
      scope.addHook("preHandler", async (request) => insertPersistedDocument(request, persistedDocuments));
    }
    scope.route({
      method: ["GET", "POST"],
      url: "/graphql",
      exposeHeadRoute: false,
      handler: graphqlHandler(apollo, options),
    });
  });
}

function createApollo(
  { schema, metrics, apolloSandbox, introspection, maxResponseBytes, federation }: GraphQLOptions,
  { formatError, logger }: { formatError: FormatError; logger: FastifyBaseLogger },
): ApolloServer<DescribedContext> {
  return new ApolloServer<DescribedContext>({
    schema,
    introspection,
    hideSchemaDetailsFromClientErrors: !introspection,
    includeStacktraceInErrorResponses: false,
    persistedQueries: false,
    documentStore: new DocumentStore(DOCUMENT_STORE_BYTES),
    parseOptions: { maxTokens: MAX_TOKENS },
    validationRules: [documentLimits, operationTypeRule],
    validationOptions: { maxErrors: MAX_ERRORS },
    executionOptions: { maxCoercionErrors: MAX_ERRORS },
    stopOnTerminationSignals: false,
    logger,
    formatError,
    plugins: [
      requestLimits({ federation, checkAnswerSize: answerSizeLimit(schema, maxResponseBytes) }),
      federation ? alwaysOk : errorHead,
      describeOperations(metrics),
      ApolloServerPluginCacheControlDisabled(),
      ApolloServerPluginUsageReportingDisabled(),
      apolloSandbox ? ApolloServerPluginLandingPageLocalDefault() : ApolloServerPluginLandingPageDisabled(),
    ],
  });
}

function graphqlHandler(
  apollo: ApolloServer<DescribedContext>,
  { sessions, items, administration, refreshCookies, explorer }: GraphQLOptions,
) {
  return async function graphql(request: FastifyRequest, reply: FastifyReply) {
    // Not in Apollo's context function: whatever that throws is a 500.
    const viewer = await readViewer(sessions, request.headers.authorization);
    request.facts.viewer = viewer;
    const refreshCookie = refreshCookies.of(request, reply);
    const {
      status = 200,
      headers,
      body,
    } = await apollo.executeHTTPGraphQLRequest({
      httpGraphQLRequest: toApolloRequest(request),
      context: async () => ({
        viewer,
        caller: callerOf(request),
        refreshCookie,
        loaders: createLoaders({ items, administration }),
        facts: request.facts,
      }),
    });
    reply.code(status);
    for (const [name, value] of headers) reply.header(name, value);
    if (status >= 400) request.facts.code ??= "BAD_REQUEST";
    if (body.kind === "chunked") return reply.send(Readable.from(body.asyncIterator));
    if (!headers.get("content-type")?.startsWith("text/html")) return body.string;
    reply.header("content-security-policy", landingPagePolicy(body.string));
    return explorer ? linkExplorer(body.string) : body.string;
  };
}

/** The request in the form that Apollo Server reads. */
function toApolloRequest({ method, url, headers, body }: FastifyRequest): HTTPGraphQLRequest {
  const map = new HeaderMap();
  for (const name in headers) {
    const value = headers[name];
    if (value) map.set(name, Array.isArray(value) ? value.join(", ") : value);
  }
  return { method, headers: map, search: /^[^?#]*(\?[^#]*)/.exec(url)?.[1] ?? "", body };
}

/** The request's URL must be one (RFC 9112, 3.2). @throws a refusal */
function checkUrl({ url, hostname, protocol }: FastifyRequest): void {
  if (!URL.canParse(url, `http://${hostname}/`)) throw refusal(400, "Send a valid Host header.");
  if (!URL.canParse(`${protocol}://${hostname}/`))
    throw refusal(400, "Send a valid X-Forwarded-Proto header.");
}

/** Answers what fails before Apollo runs, in GraphQL's form. */
function sendFailure(
  failure: Failure,
  formatError: FormatError,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
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
}

/** The limits that depend on the variables. */
function requestLimits({
  federation,
  checkAnswerSize,
}: {
  federation: boolean;
  checkAnswerSize: ReturnType<typeof answerSizeLimit>;
}): ApolloServerPlugin<Context> {
  return {
    async requestDidStart() {
      return {
        async didResolveOperation({ request: { variables = {} }, document, operation }) {
          checkVariables(variables, { federation });
          if (operation) checkAnswerSize(document, operation, variables);
        },
      };
    },
  };
}

/** Sets the status and headers of answers without data. */
const errorHead: ApolloServerPlugin<Context> = {
  async requestDidStart() {
    return {
      async willSendResponse({ response: { body, http } }) {
        if (body.kind !== "single" || body.singleResult.data != null || !body.singleResult.errors) return;
        const { status, headers } = httpHeadOf(body.singleResult.errors);
        // Apollo's own refusals have their status already.
        http.status = status ?? http.status ?? 200;
        for (const [name, value] of Object.entries(headers)) http.headers.set(name, value);
      },
    };
  },
};

/** A gateway replaces the errors of an answer with another status by its own, or puts its own before them. */
const alwaysOk: ApolloServerPlugin<Context> = {
  async requestDidStart() {
    return {
      async willSendResponse({ response: { body, http } }) {
        if (body.kind === "single" && body.singleResult.errors) http.status = 200;
      },
    };
  },
};
