import { GraphQLError } from "graphql";
import type { Context } from "./bearer.ts";
import { listItems, type UserRow } from "./database.ts";

/** The same schema for servers that take SDL and resolvers. */
export const typeDefs = /* GraphQL */ `
  type User {
    id: ID!
    username: String!
    email: String!
    fullName: String
  }
  type Item {
    id: ID!
    title: String!
    description: String
  }
  type Query {
    me: User!
    myItems(first: Int!): [Item!]!
  }
`;

function signedIn({ user }: Context): UserRow {
  if (user === undefined) throw new GraphQLError("Not signed in");
  return user;
}

export const resolvers = {
  Query: {
    me: (_: unknown, __: unknown, context: Context) => signedIn(context),
    myItems: (_: unknown, { first }: { first: number }, context: Context) =>
      listItems(signedIn(context).id, first),
  },
};
