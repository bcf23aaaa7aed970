import type { FastifyInstance } from "fastify";
import { refusal } from "../failures.js";

/** Headers that a request sends once (RFC 9110, 5.3; RFC 9112, 3.2). */
const SINGLE = { authorization: "Authorization", "content-type": "Content-Type", host: "Host" };

/**
 * Rejects a request that sends one of these headers twice. Node uses the first, and a proxy in front may have used the
 * last. The error has the form of the endpoint.
 */
export function refuseRepeatedHeaders(server: FastifyInstance): void {
  server.addHook("onRequest", async ({ raw: { headersDistinct } }, reply) => {
    for (const [name, spelled] of Object.entries(SINGLE)) {
      if ((headersDistinct[name]?.length ?? 0) <= 1) continue;
      if (name === "authorization") reply.header("www-authenticate", 'Bearer error="invalid_request"');
      throw refusal(400, `Send one ${spelled} header.`);
    }
  });
}
