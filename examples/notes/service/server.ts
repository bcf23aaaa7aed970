import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createVerifier, type Viewer } from "@latchkey/client/server";
import { requireUser } from "@latchkey/client/server/graphql";
import { GraphQLError } from "graphql";
import { createSchema, createYoga } from "graphql-yoga";
import { type Note, Notes } from "./notes.ts";

interface NotesServerOptions {
  /** Latchkey's PUBLIC_URL: whose access tokens to trust. */
  latchkeyUrl: string;
  /** The origin whose pages may call this service. */
  appUrl: string;
  /** The SQLite file. */
  file: string;
}

interface Context {
  viewer: Viewer;
}

const MAX_NOTES = 100;
const MAX_LENGTH = 1000;

/** A GraphQL service with data of its own. It knows its users by their access tokens. */
export function createNotesServer({ latchkeyUrl, appUrl, file }: NotesServerOptions): Server {
  const notes = new Notes(file);
  const verifier = createVerifier({ issuer: latchkeyUrl });
  const yoga = createYoga({
    schema: createSchema<Context>({
      typeDefs: readFileSync(new URL("schema.graphql", import.meta.url), "utf8"),
      // Whoever is not signed in gets 401 from `requireUser`.
      resolvers: {
        Query: {
          notes: (_, __, context) => notes.latest(requireUser(context).id, MAX_NOTES),
        },
        Mutation: {
          addNote: (_, { text }: { text: string }, context) =>
            notes.add(requireUser(context).id, checked(text)),
          deleteNote: (_, { id }: { id: string }, context) => notes.delete(requireUser(context).id, id),
        },
        Note: {
          createdAt: ({ createdAt }: Note) => new Date(createdAt).toISOString(),
        },
      },
    }),
    context: verifier.context,
    cors: { origin: appUrl },
    graphiql: false,
    landingPage: false,
    logging: "warn",
  });
  return createServer(yoga).once("close", () => notes.close());
}

/** Errors look like Latchkey's, so that the app has one way to show them. */
function checked(text: string): string {
  if (text.length > 0 && text.length <= MAX_LENGTH) return text;
  const violation = { field: "text", rule: "length", message: `text must be 1 to ${MAX_LENGTH} characters` };
  throw new GraphQLError("The note is empty or too long.", {
    extensions: { code: "BAD_USER_INPUT", violations: [violation] },
  });
}
