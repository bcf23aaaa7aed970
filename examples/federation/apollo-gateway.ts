import { ApolloGateway, IntrospectAndCompose, RemoteGraphQLDataSource } from "@apollo/gateway";
import { ApolloServer } from "@apollo/server";
import { startStandaloneServer } from "@apollo/server/standalone";
import { passedOn } from "./passed-on.ts";

interface GatewayContext {
  headers: Record<string, string>;
}

class DataSource extends RemoteGraphQLDataSource<Partial<GatewayContext>> {
  override willSendRequest({ request, context }: Parameters<RemoteGraphQLDataSource["process"]>[0]) {
    // It has none while the schemas are read.
    for (const [name, value] of Object.entries((context as Partial<GatewayContext>).headers ?? {}))
      request.http?.headers.set(name, value);
  }
}

/**
 * Starts @apollo/gateway. It reads the schemas of the subgraphs from `_service`; in production, compose them before, and
 * give it the result as `supergraphSdl`.
 */
export async function startApolloGateway(subgraphs: { name: string; url: string }[], port = 4100) {
  const gateway = new ApolloGateway({
    supergraphSdl: new IntrospectAndCompose({ subgraphs }),
    buildService: ({ url = "" }) => new DataSource({ url }),
  });
  const server = new ApolloServer<GatewayContext>({ gateway });
  const { url } = await startStandaloneServer(server, {
    listen: { host: "127.0.0.1", port },
    context: async ({ req }) => ({ headers: passedOn(req) }),
  });
  return { url: new URL("graphql", url).href, stop: () => server.stop() };
}
