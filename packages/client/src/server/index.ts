import { createVerifyAccessToken, type VerifierOptions, type VerifyAccessToken } from "./verifier.js";
import { readViewer, refusalOf, type Viewer } from "./viewer.js";

export { KeysUnavailableError } from "./keys.js";
export {
  type AccessTokenClaims,
  InvalidTokenError,
  type InvalidTokenReason,
  type VerifierOptions,
  type VerifyAccessToken,
} from "./verifier.js";
export type { AnonymousReason, SignedInViewer, Viewer } from "./viewer.js";

/** A request of Node, of Fastify or of the Fetch API. */
interface Request {
  headers: { authorization?: string | undefined } | { get(name: string): string | null };
}

/** What a GraphQL server hands to its context function. */
export type ContextSource =
  /** `@as-integrations/fastify` */
  | Request
  /** Apollo Server, alone or in Express */
  | { req: Request }
  /** GraphQL Yoga */
  | { request: Request }
  /** graphql-ws, with `connectionOptions` of `@latchkey/client/ws` */
  | { connectionParams?: Record<string, unknown> | null | undefined };

/** As much of a Fastify reply as the hook needs. */
interface Reply {
  code(status: number): { headers(headers: Record<string, string>): { send(body: unknown): unknown } };
}

export interface Verifier {
  verifyAccessToken: VerifyAccessToken;
  /** The context function of a GraphQL server. It never refuses a request: `requireUser` does, in resolvers. */
  context(source: ContextSource): Promise<{ viewer: Viewer }>;
  /** An `onRequest` hook of Fastify that sets `request.viewer`, and refuses requests without a signed-in user. */
  fastifyHook(request: Request & { viewer?: Viewer }, reply: Reply): Promise<unknown>;
}

/** Verifies Latchkey's access tokens in another service. A logout is noticed when the token expires. */
export function createVerifier(options: VerifierOptions): Verifier {
  const verifyAccessToken = createVerifyAccessToken(options);
  return {
    verifyAccessToken,
    async context(source) {
      return { viewer: await readViewer(verifyAccessToken, authorizationOf(source)) };
    },
    async fastifyHook(request, reply) {
      request.viewer = await readViewer(verifyAccessToken, authorizationOf(request));
      const refusal = refusalOf(request.viewer);
      if (!refusal) return undefined;
      const { status, headers, message, extensions } = refusal;
      return reply
        .code(status)
        .headers(headers)
        .send({ message, ...extensions });
    },
  };
}

function authorizationOf(source: ContextSource): string | null | undefined {
  if ("req" in source) return authorizationOf(source.req);
  if ("request" in source) return authorizationOf(source.request);
  if ("headers" in source) {
    const { headers } = source;
    return "get" in headers && typeof headers.get === "function"
      ? headers.get("authorization")
      : (headers as { authorization?: string }).authorization;
  }
  const authorization = source.connectionParams?.["authorization"];
  return typeof authorization === "string" ? authorization : undefined;
}
