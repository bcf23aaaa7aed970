import type { FastifyInstance, HTTPMethods, RouteOptions } from "fastify";
import { refusal } from "../failures.js";

const METHODS: readonly HTTPMethods[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE"];

declare module "fastify" {
  interface FastifyContextConfig {
    /** False: the route has no CORS, preflights included (@fastify/cors). */
    cors?: false;
  }
}

/**
 * Answers any other method of a path with 405 and `Allow` (RFC 9110, 15.5.6), in the form of the endpoint's errors.
 * Applies to the routes that are added after this call.
 */
export function refuseOtherMethods(server: FastifyInstance): void {
  const paths = new Set<string>();
  server.addHook("onRoute", function ({ url, method, exposeHeadRoute, config }: RouteOptions) {
    if (paths.has(url) || url === "*") return;
    paths.add(url);
    const allowed: HTTPMethods[] = [method].flat();
    if (allowed.includes("GET") && exposeHeadRoute !== false) allowed.splice(1, 0, "HEAD");
    // With CORS, OPTIONS is answered by @fastify/cors.
    const others = [...METHODS, ...(config?.cors === false ? (["OPTIONS"] as const) : [])].filter(
      (other) => !allowed.includes(other),
    );
    if (others.length === 0) return;
    this.route({
      method: others,
      url,
      ...(config && { config }),
      // Before the body is read.
      onRequest: async (_request, reply) => {
        reply.header("allow", allowed.join(", "));
        throw refusal(405, `Send ${allowed.join(" or ")}.`);
      },
      handler: () => {},
    });
  });
}
