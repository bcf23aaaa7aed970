import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { closeWithFile } from "./opened.ts";

/** A TCP proxy in front of a server on this machine: a network that can lose every packet. */
export async function startProxy(port: number) {
  let lost = false;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(port, "127.0.0.1");
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on("data", (chunk) => lost || to.write(chunk));
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
      from.on("error", () => {});
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  function close(): void {
    server.close();
    for (const socket of sockets) socket.destroy();
    forget();
  }
  const forget = closeWithFile(close);
  return {
    port: (server.address() as AddressInfo).port,
    /** From now on no packet arrives, and no connection ends. */
    lose(): void {
      lost = true;
    },
    /** Restores the network. Every client has to reconnect. */
    restore(): void {
      lost = false;
      for (const socket of sockets) socket.destroy();
    },
    close,
  };
}
