import type { Socket } from "node:net";
import type { FastifyInstance } from "fastify";

/** While stopping, a connection ends with its answer, and at once where nothing has been asked yet. */
export function closeKeptAlive(server: FastifyInstance): void {
  const sockets = new Set<Socket>();
  server.server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  let closing = false;
  server.addHook("preClose", async () => {
    closing = true;
    // Browsers open some in advance; Node takes them for requests that have begun.
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
  });
  server.addHook("onSend", async (_request, reply) => {
    if (closing) reply.header("connection", "close");
  });
}
