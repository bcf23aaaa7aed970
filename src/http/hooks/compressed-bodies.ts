import type { FastifyInstance } from "fastify";
import { refusal } from "../failures.js";

/**
 * Rejects compressed bodies, because a few bytes could expand without limit. The error has the form of the endpoint,
 * and the header names the encoding to send instead (RFC 9110, 15.5.16).
 */
export function refuseCompressedBodies(server: FastifyInstance): void {
  server.addHook("onRequest", ({ headers }, reply, done) => {
    const isCompressed = (headers["content-encoding"] ?? "identity").toLowerCase() !== "identity";
    // A proxy calls `/forward-auth` with the client's headers and no body.
    const hasBody =
      headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) !== 0;
    if (!isCompressed || !hasBody) return done();
    // The body is not read.
    reply.headers({ "accept-encoding": "identity", connection: "close" });
    throw refusal(415, "Send the body without a Content-Encoding.");
  });
}
