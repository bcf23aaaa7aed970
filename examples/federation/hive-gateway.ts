import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { createGatewayRuntime } from "@graphql-hive/gateway-runtime";
import { composeServices } from "@theguild/federation-composition";
import { parse } from "graphql";
import { passedOn } from "./passed-on.ts";

/** Composes subgraphs. @throws when they do not fit together */
export function compose(subgraphs: { name: string; url: string; sdl: string }[]): string {
  const { supergraphSdl, errors } = composeServices(
    subgraphs.map(({ name, url, sdl }) => ({ name, url, typeDefs: parse(sdl) })),
  );
  if (supergraphSdl === undefined) throw new Error(errors?.map(({ message }) => message).join("\n"));
  return supergraphSdl;
}

/** Starts Hive Gateway. Its command-line program takes the same options from `gateway.config.ts`. */
export async function startHiveGateway(supergraph: string, port = 4100) {
  const gateway = createGatewayRuntime<{ req: IncomingMessage }>({
    supergraph,
    propagateHeaders: { fromClientToSubgraphs: ({ context }) => context.req && passedOn(context.req) },
  });
  const server = createServer(gateway).listen(port, "127.0.0.1");
  await new Promise((listening) => server.once("listening", listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`,
    async stop() {
      server.close();
      server.closeAllConnections();
      await gateway.dispose();
    },
  };
}
