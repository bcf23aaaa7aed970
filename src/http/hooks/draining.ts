import { Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { FastifyInstance } from "fastify";
import { SECOND } from "../../clock.js";

/** How long a new connection has for its first request, in milliseconds. */
const FIRST_REQUEST = SECOND;
/** A turn of the event loop this short probably accepted no connection, in milliseconds. */
const SHORT_TURN = 0.2;
const MAX_TURNS = 1_000;

declare module "fastify" {
  interface FastifyInstance {
    /** Whether the server is stopping. It still answers, but should get no new traffic. */
    draining: boolean;
  }
}

export interface DrainOptions {
  /** How long connections are still accepted, in milliseconds, so that proxies notice. 0: none, and idle ones are closed immediately. */
  delay: number;
  /** Longest time to finish the requests in flight after that, in milliseconds. */
  timeout: number;
  /** Called when that time is over, just before the remaining connections are closed. */
  onTimeout: () => void;
}

/**
 * Makes `close()` stop without resetting a request that was sent. First `/readyz` fails and each answer closes its
 * connection, while new connections are still accepted. Then the port closes, and the remaining connections end with
 * their next answer or by the keep-alive timeout.
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
  server.addHook("onSend", (_request, reply, _payload, done) => {
    if (server.draining) reply.header("connection", "close");
    done();
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
    // Browsers open connections in advance. Node counts those as requests in flight.
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
  });

  async function closePort(): Promise<void> {
    // Connections that wait to be accepted would be reset, so close just after the queue was empty.
    for (let turn = 0, before = -1, began = 0; turn < MAX_TURNS; turn++) {
      if (accepted === before && performance.now() - began < SHORT_TURN) break;
      before = accepted;
      began = performance.now();
      await new Promise(setImmediate);
    }
    // http.Server's close() would close idle connections immediately, even with a request on its way.
    const closed = new Promise((resolve) => Server.prototype.close.call(http, resolve));
    const opened = [...sockets].filter(({ bytesRead }) => bytesRead === 0);
    setTimeout(() => {
      for (const socket of opened) if (socket.bytesRead === 0) socket.destroy();
    }, FIRST_REQUEST).unref();
    await closed;
  }
}
