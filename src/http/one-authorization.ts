import type { FastifyInstance } from "fastify";

/**
 * RFC 9110, 5.3: `Authorization` is sent once. Node keeps the first of several; a proxy before us may have judged
 * by the last. The refusal has the form of the endpoint that was asked.
 */
export function refuseTwoAuthorizations(server: FastifyInstance): void {
  server.addHook("onRequest", async (request, reply) => {
    if ((request.raw.headersDistinct["authorization"]?.length ?? 0) > 1) {
      reply.header("www-authenticate", 'Bearer error="invalid_request"');
      throw Object.assign(new Error("Send one Authorization header."), { statusCode: 400 });
    }
  });
}
