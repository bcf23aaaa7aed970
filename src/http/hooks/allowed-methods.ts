import type { FastifyInstance, HTTPMethods, RouteOptions } from "fastify";
import { refusal } from "../failures.js";

const METHODS: readonly HTTPMethods[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE"];

declare module "fastify" {
  interface FastifyContextConfig {
    /** False: no other origin's pages read this route (@fastify/cors). */
    cors?: false;
  }
}

/**
 * Answers a method that a path does not have with 405 and `Allow` (RFC 9110, 15.5.6), in the form of the endpoint's
 * errors. It holds for every route that is added after it.
 */
export function refuseOtherMethods(server: FastifyInstance): void {
  const paths = new Set<string>();
  server.addHook("onRoute", function ({ url, method, exposeHeadRoute, config }: RouteOptions) {
    if (paths.has(url) || url === "*") return;
    paths.add(url);
    const allowed: HTTPMethods[] = [method].flat();
    if (allowed.includes("GET") && exposeHeadRoute !== false) allowed.splice(1, 0, "HEAD");
    // A preflight's answer is CORS's, where there is any.
    const others = [...METHODS, ...(config?.cors === false ? (["OPTIONS"] as const) : [])].filter(
      (other) => !allowed.includes(other),
    );
    if (others.length === 0) return;
    this.route({
      method: others,
      url,
      ...(config && { config }),
      // Before a body is read, whatever its type.
      onRequest: async (_request, reply) => {
        reply.header("allow", allowed.join(", "));
        throw refusal(405, `Send ${allowed.join(" or ")}.`);
      },
      handler: () => {},
    });
  });
}
