import type { ApolloServerPlugin } from "@apollo/server";
import type { FastifyBaseLogger } from "fastify";
import { type GraphQLError, Kind } from "graphql";
import { type ErrorCode, LatchkeyError } from "../errors.js";
import type { Context } from "../graphql/context.js";

/** A request that knows its line in the log. */
export interface LoggedContext extends Context {
  log: FastifyBaseLogger;
}

/** For want of a good token or a role; what a login is refused for is audited. */
const REFUSALS: readonly ErrorCode[] = ["UNAUTHENTICATED", "FORBIDDEN", "INVALID_TOKEN"];

/** Logs, once a request, what was refused to whom for want of a good token or a role. */
export const logRefusals: ApolloServerPlugin<LoggedContext> = {
  async requestDidStart() {
    return {
      async didEncounterErrors({ errors, contextValue: { viewer, client, log } }) {
        const refused = errors.filter(
          ({ originalError }) =>
            originalError instanceof LatchkeyError && REFUSALS.includes(originalError.code),
        );
        const first = refused[0]?.originalError;
        if (!(first instanceof LatchkeyError)) return;
        log.info(
          {
            code: first.code,
            ...(viewer.kind === "user"
              ? { userId: viewer.user.id, sessionId: viewer.sessionId }
              : { reason: viewer.reason }),
            ipAddress: client.ipAddress,
            fields: [...new Set(refused.flatMap(fieldNames))],
          },
          "refused",
        );
      },
    };
  },
};

/** The schema's names: those a client chose are not logged. */
function fieldNames({ nodes = [] }: GraphQLError): string[] {
  return nodes.flatMap((node) => (node.kind === Kind.FIELD ? node.name.value : []));
}
