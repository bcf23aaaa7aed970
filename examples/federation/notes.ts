import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { buildSubgraphSchema } from "@apollo/subgraph";
import { createVerifier, type Viewer } from "@latchkey/client/server";
import { requireUser } from "@latchkey/client/server/graphql";
import { parse } from "graphql";
import { createYoga } from "graphql-yoga";

export const NOTES_SDL = `
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable"])

  type Query {
    "Everybody's notes."
    notes: [Note!]!
    "The signed-in user, as the token says: Latchkey is asked only for the fields of its own."
    viewer: User
  }

  type Mutation {
    addNote(text: String!): Note!
  }

  type Note {
    text: String!
    "Null for whoever may not see the author."
    author: User
  }

  type User @key(fields: "id") {
    id: ID!
    notes: [Note!]!
  }

  type PageInfo @shareable {
    hasNextPage: Boolean!
  }
`;

export interface Note {
  text: string;
  authorId: string;
}

/**
 * Starts a subgraph that adds notes to Latchkey's users. It verifies access tokens itself, with Latchkey's keys.
 * @param options as for `createVerifier` of @latchkey/client/server
 */
export async function startNotes(notes: Note[], options: { issuer: string; keysUrl?: string }, port = 4001) {
  const { context } = createVerifier(options);
  const toNote = ({ text, authorId }: Note) => ({ text, author: { id: authorId } });
  const notesOf = (id: string) => notes.filter(({ authorId }) => authorId === id);
  const schema = buildSubgraphSchema([
    {
      typeDefs: parse(NOTES_SDL),
      resolvers: {
        Query: {
          notes: () => notes.map(toNote),
          viewer: (_root: unknown, _args: unknown, { viewer }: { viewer: Viewer }) =>
            viewer.kind === "user" ? { id: viewer.id } : null,
        },
        Mutation: {
          addNote(_root: unknown, { text }: { text: string }, context: { viewer: Viewer }) {
            const note = { text, authorId: requireUser(context).id };
            notes.push(note);
            return toNote(note);
          },
        },
        User: {
          __resolveReference: ({ id }: { id: string }) => ({ id }),
          notes: ({ id }: { id: string }) => notesOf(id).map(toNote),
        },
      },
    },
  ]);
  const server = createServer(createYoga({ schema, context })).listen(port, "127.0.0.1");
  await new Promise((listening) => server.once("listening", listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`,
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}
