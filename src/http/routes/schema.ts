import type { FastifyInstance } from "fastify";

/** Serves the schema as SDL at `/schema.graphql`, with its directives: introspection leaves out where they are used. */
export async function addSchema(
  server: FastifyInstance,
  { printSdl }: { printSdl: () => string },
): Promise<void> {
  let sdl: string | undefined;
  // SDL has no media type of its own. As text, a browser shows it.
  server.get("/schema.graphql", { config: { cors: false } }, async (_request, reply) => {
    sdl ??= printSdl();
    return reply.type("text/plain; charset=utf-8").send(sdl);
  });
}
