import { Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { FastifyInstance } from "fastify";
import { SECOND } from "../../clock.js";

/** How long a connection that was just opened may take to ask something, in milliseconds. */
const FIRST_REQUEST = SECOND;
/** A turn of the event loop so short that no connection is likely to have come meanwhile, in milliseconds. */
const SHORT_TURN = 0.2;
const MAX_TURNS = 1_000;

declare module "fastify" {
  interface FastifyInstance {
    /** Whether it is stopping: it should get no more traffic, though it still answers. */
    draining: boolean;
  }
}

export interface DrainOptions {
  /** How long connections are still accepted, in milliseconds, so that proxies notice. 0: idle connections end at once. */
  delay: number;
  /** Longest time to finish what is in flight after that, in milliseconds. */
  timeout: number;
  /** Told when that was not enough, just before what is left is cut off. */
  onTimeout: () => void;
}

/**
 * Makes `close()` stop without resetting a request that was sent. First each answer ends its connection and `/readyz`
 * fails while connections are still accepted; then the port closes, and open connections end by themselves: with their
 * next answer, or when they have been idle for as long as clients were told.
 */
export function drainOnClose(server: FastifyInstance, { delay, timeout, onTimeout }: DrainOptions): void {
  const http = server.server;
  const sockets = new Set<Socket>();
  let accepted = 0;
  http.on("connection", (socket) => {
    accepted++;
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.decorate("draining", false);
  server.addHook("onSend", async (_request, reply) => {
    if (server.draining) reply.header("connection", "close");
  });
  server.addHook("preClose", async () => {
    server.draining = true;
    const cutOff = setTimeout(() => {
      onTimeout();
      http.closeAllConnections();
    }, delay + timeout).unref();
    http.once("close", () => clearTimeout(cutOff));
    if (!http.listening) return;
    if (delay > 0) {
      await sleep(delay);
      await closePort();
    }
    // Browsers open some in advance; Node takes them for requests that have begun.
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
  });

  async function closePort(): Promise<void> {
    // What waits to be accepted would be reset: this closes just after the queue was found empty.
    for (let turn = 0, before = -1, began = 0; turn < MAX_TURNS; turn++) {
      if (accepted === before && performance.now() - began < SHORT_TURN) break;
      before = accepted;
      began = performance.now();
      await new Promise(setImmediate);
    }
    // An HTTP server's own would end idle connections at once, under a request that is on its way.
    const closed = new Promise((resolve) => Server.prototype.close.call(http, resolve));
    const opened = [...sockets].filter(({ bytesRead }) => bytesRead === 0);
    setTimeout(() => {
      for (const socket of opened) if (socket.bytesRead === 0) socket.destroy();
    }, FIRST_REQUEST).unref();
    await closed;
  }
}
