import type { FastifyInstance } from "fastify";
import { refusal } from "../failures.js";

/**
 * What a few bytes unfold to has no limit: bodies are taken as they are. The refusal has the form of the endpoint
 * that was asked, and says what would be taken (RFC 9110, 15.5.16).
 */
export function refuseCompressedBodies(server: FastifyInstance): void {
  server.addHook("onRequest", async ({ headers }, reply) => {
    if ((headers["content-encoding"] ?? "identity").toLowerCase() === "identity") return;
    // A proxy that asks `/forward-auth` sends the client's headers without the body.
    if (headers["transfer-encoding"] === undefined && Number(headers["content-length"] ?? 0) === 0) return;
    // Nobody reads the body that follows.
    reply.headers({ "accept-encoding": "identity", connection: "close" });
    throw refusal(415, "Send the body without a Content-Encoding.");
  });
}
