import { LatchkeyError } from "../errors.js";
import type { DatabaseHealth } from "../services/database-health.js";

/** What a request can fail with. Errors of Fastify, and refusals, carry a status. */
export type Failure = LatchkeyError | (Error & { statusCode?: number; code?: string });

/** An error about the request itself: a 4xx status, and a message for the client. */
export function refusal(statusCode: number, message: string): Failure {
  return Object.assign(new Error(message), { statusCode });
}

/**
 * What a request failed with, as the client sees it: SERVICE_UNAVAILABLE when the database is away. An error with a 4xx
 * status is never the database's, whatever its code: a client that aborts its upload causes an ECONNRESET too.
 */
export function failureOf(thrown: Failure, health: DatabaseHealth): Failure {
  return isRefusal(thrown) ? thrown : (health.translate(thrown) as Failure);
}

/** Whether the error is about the request itself. */
export function isRefusal(error: Failure): error is Error & { statusCode: number } {
  return !(error instanceof LatchkeyError) && (error.statusCode ?? 500) < 500;
}

/**
 * The message of a refusal.
 * @param mediaType the one media type of bodies that the endpoint reads
 */
export function refusalMessage({ code, message }: Error & { code?: string }, mediaType: string): string {
  return code === "FST_ERR_CTP_INVALID_MEDIA_TYPE"
    ? `Send the body as ${mediaType}, in a Content-Type header.`
    : message;
}
