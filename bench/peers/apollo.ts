import { ApolloServer } from "@apollo/server";
import { startStandaloneServer } from "@apollo/server/standalone";
import { type Context, contextOf } from "./shared/bearer.ts";
import { PORT } from "./shared/settings.ts";
import { createSchema } from "./shared/type-graphql-schema.ts";

const server = new ApolloServer<Context>({ schema: await createSchema() });
await startStandaloneServer(server, {
  context: async ({ req }) => contextOf(req.headers.authorization),
  listen: { port: PORT, host: "127.0.0.1" },
});
