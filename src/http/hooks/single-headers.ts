import type { FastifyInstance } from "fastify";
import { refusal } from "../failures.js";

/** RFC 9110, 5.3, and RFC 9112, 3.2: sent once. */
const SINGLE = { authorization: "Authorization", "content-type": "Content-Type", host: "Host" };

/**
 * Rejects a request that sends one of these headers twice. Node keeps the first of several; a proxy before us may have
 * judged by the last. The error has the form of the endpoint that was asked.
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
