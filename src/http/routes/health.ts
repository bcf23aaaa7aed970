import type { FastifyInstance } from "fastify";
import type { DatabaseHealth } from "../../services/database-health.js";

/** Serves the probes: `/healthz` while the process lives, `/readyz` while it should get traffic. */
export async function addHealth(
  server: FastifyInstance,
  { health }: { health: DatabaseHealth },
): Promise<void> {
  server.get("/healthz", { config: { cors: false } }, async () => ({ status: "ok" }));
  server.get("/readyz", { config: { cors: false } }, async (_request, reply) => {
    const reason = server.draining ? "the server is stopping" : await reasonOf(health);
    return reason === undefined ? { status: "ok" } : reply.code(503).send({ status: "unavailable", reason });
  });
}

async function reasonOf(health: DatabaseHealth): Promise<string | undefined> {
  try {
    await health.check();
    return undefined;
  } catch {
    return "the database cannot be read and written";
  }
}
