import type { FastifyInstance } from "fastify";
import type { Metrics } from "../../metrics.js";
import { presentsSecret } from "../shared-secret.js";

/**
 * Serves the metrics at `/metrics`, in Prometheus's text format.
 * @param options.token the secret that the request must present; undefined: the metrics are public
 */
export async function addMetrics(
  server: FastifyInstance,
  { metrics, token }: { metrics: Metrics; token: string | undefined },
): Promise<void> {
  server.get("/metrics", { config: { cors: false } }, async (request, reply) => {
    if (token !== undefined && !presentsSecret(request.headers.authorization, token)) {
      return reply
        .code(401)
        .header("www-authenticate", "Bearer")
        .send({ error: "Authenticate with the METRICS_TOKEN." });
    }
    const { contentType, text } = await metrics.read();
    return reply.type(contentType).send(text);
  });
}
