import type { FastifyInstance } from "fastify";
import { type Database, ping } from "../storage/database.js";

/** For those who run it: is it alive, and should it get traffic. While draining the server itself answers 503. */
export async function addOperations(server: FastifyInstance, { db }: { db: Database }): Promise<void> {
  server.get("/healthz", async () => ({ status: "ok" }));
  server.get("/readyz", async (request, reply) => {
    try {
      await ping(db);
      return { status: "ok" };
    } catch (error) {
      request.log.warn({ err: error }, "the database does not answer");
      return reply.code(503).send({ status: "unavailable", reason: "the database does not answer" });
    }
  });
}
