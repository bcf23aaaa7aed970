import Fastify from "fastify";
import mercurius from "mercurius";
import { type Context, contextOf } from "./shared/bearer.ts";
import { resolvers, typeDefs } from "./shared/sdl-schema.ts";
import { PORT } from "./shared/settings.ts";

declare module "mercurius" {
  interface MercuriusContext extends Context {}
}

const app = Fastify();
app.register(mercurius, {
  schema: typeDefs,
  resolvers,
  jit: 1,
  context: (request) => contextOf(request.headers.authorization),
});
await app.listen({ port: PORT, host: "127.0.0.1" });
