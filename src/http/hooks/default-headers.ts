import type { FastifyReply, FastifyRequest } from "fastify";

/** Strict-Transport-Security (RFC 6797). */
export interface Hsts {
  /** Seconds. */
  maxAge: number;
  includeSubDomains: boolean;
}

/** No answer is a page of another site, a script or a frame, and none is stored, unless its route says so. */
const HEADERS = {
  "content-security-policy": "default-src 'none';frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "origin-agent-cluster": "?1",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-dns-prefetch-control": "off",
  "x-download-options": "noopen",
  "x-frame-options": "SAMEORIGIN",
  "x-permitted-cross-domain-policies": "none",
  // Off: the filter of old browsers was a hole itself.
  "x-xss-protection": "0",
  "cache-control": "no-store",
};

/** Sets the headers that every answer has. A route may override them. */
export type SetDefaultHeaders = (request: FastifyRequest, reply: FastifyReply) => void;

/**
 * Returns a function that sets the security headers, `cache-control` and the request id. They are computed once, not
 * for each request.
 * @param hsts undefined: the header is not sent
 */
export function defaultHeaders(hsts: Hsts | undefined): SetDefaultHeaders {
  const headers = { ...HEADERS, ...(hsts && { "strict-transport-security": hstsValue(hsts) }) };
  return (request, reply) => {
    reply.headers(headers).header("x-request-id", request.id);
  };
}

function hstsValue({ maxAge, includeSubDomains }: Hsts): string {
  return `max-age=${maxAge}${includeSubDomains ? "; includeSubDomains" : ""}`;
}
