import { createServer } from "node:http";
import { ApolloServer } from "@apollo/server";
import { ApolloServerPluginDrainHttpServer } from "@apollo/server/plugin/drainHttpServer";
import { expressMiddleware } from "@as-integrations/express5";
import cors from "cors";
import express from "express";
import { type Context, contextOf } from "./shared/bearer.ts";
import { PORT } from "./shared/settings.ts";
import { createSchema } from "./shared/type-graphql-schema.ts";

const app = express();
const httpServer = createServer(app);
const server = new ApolloServer<Context>({
  schema: await createSchema(),
  plugins: [ApolloServerPluginDrainHttpServer({ httpServer })],
});
await server.start();
app.use(
  "/graphql",
  cors<cors.CorsRequest>(),
  express.json(),
  expressMiddleware(server, { context: async ({ req }) => contextOf(req.headers.authorization) }),
);
httpServer.listen(PORT, "127.0.0.1");
