import { createServer } from "node:http";
import { createSchema, createYoga } from "graphql-yoga";
import { contextOf } from "./shared/bearer.ts";
import { resolvers, typeDefs } from "./shared/sdl-schema.ts";
import { PORT } from "./shared/settings.ts";

const yoga = createYoga({
  schema: createSchema({ typeDefs, resolvers }),
  context: ({ request }) => contextOf(request.headers.get("authorization")),
});
createServer(yoga).listen(PORT, "127.0.0.1");
