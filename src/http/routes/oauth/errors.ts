import type { FastifyReply, FastifyRequest } from "fastify";
import { type ErrorCode, LatchkeyError } from "../../../errors.js";
import type { DatabaseHealth } from "../../../services/database-health.js";
import { type Failure, failureOf, isRefusal, refusalMessage } from "../../failures.js";

/** The request is refused with this error (RFC 6749, 5.2). */
export class OAuthError extends Error {
  readonly error: string;
  readonly status: number;

  constructor(error: string, description: string, status = 400) {
    super(description);
    this.error = error;
    this.status = status;
  }
}

/** OAuth's error for each of our codes that a client can do something about. */
const OAUTH_ERRORS: Partial<Record<ErrorCode, { error: string; status: number }>> = {
  INVALID_CREDENTIALS: { error: "invalid_grant", status: 400 },
  ACCOUNT_DISABLED: { error: "invalid_grant", status: 400 },
  EMAIL_NOT_VERIFIED: { error: "invalid_grant", status: 400 },
  INVALID_TOKEN: { error: "invalid_grant", status: 400 },
  BAD_USER_INPUT: { error: "invalid_request", status: 400 },
  // RFC 6749 has no error for too many attempts; the status says it.
  RATE_LIMITED: { error: "temporarily_unavailable", status: 429 },
  OVERLOADED: { error: "temporarily_unavailable", status: 503 },
  SERVICE_UNAVAILABLE: { error: "temporarily_unavailable", status: 503 },
};

/** An error handler that answers in OAuth's form (RFC 6749, 5.2). */
export function oauthErrorHandler(health: DatabaseHealth) {
  return (thrown: OAuthError | Failure, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    if (thrown instanceof OAuthError) return sendOAuthError(thrown, request, reply);
    const failure = failureOf(thrown, health);
    if (failure instanceof LatchkeyError) return sendLatchkeyError(failure, request, reply);
    if (isRefusal(failure)) {
      return reply.code(failure.statusCode).send({
        error: "invalid_request",
        error_description: refusalMessage(failure, "application/x-www-form-urlencoded"),
      });
    }
    return sendServerError(failure, request, reply);
  };
}

function sendOAuthError(
  { error, status, message }: OAuthError,
  request: FastifyRequest,
  reply: FastifyReply,
) {
  request.facts.code = error;
  if (status === 401) reply.header("www-authenticate", 'Basic realm="introspection"');
  return reply.code(status).send({ error, error_description: message });
}

function sendLatchkeyError(failure: LatchkeyError, request: FastifyRequest, reply: FastifyReply) {
  request.facts.code = failure.code;
  const known = OAUTH_ERRORS[failure.code];
  if (known === undefined) return sendServerError(failure, request, reply);
  const { retryAfter } = failure.details;
  if (typeof retryAfter === "number") reply.header("retry-after", String(retryAfter));
  return reply.code(known.status).send({ error: known.error, error_description: failure.message });
}

function sendServerError(err: Error, request: FastifyRequest, reply: FastifyReply) {
  request.log.error({ err }, "request failed");
  return reply
    .code(500)
    .send({ error: "server_error", error_description: "Something failed on the server." });
}
