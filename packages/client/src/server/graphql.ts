import { GraphQLError } from "graphql";
import { refusalOf, type SignedInViewer, type Viewer } from "./viewer.js";

/**
 * Requires a signed-in user, or one with this role, in a resolver.
 * @throws GraphQLError with the codes of Latchkey, on which its clients refresh the access token
 */
export function requireUser({ viewer }: { viewer: Viewer }, role?: string): SignedInViewer {
  const refusal = refusalOf(viewer, role);
  if (refusal) {
    const { message, status, extensions } = refusal;
    // Apollo Server and Yoga take the status from here, and leave it out of the answer.
    throw new GraphQLError(message, { extensions: { ...extensions, http: { status } } });
  }
  return viewer as SignedInViewer;
}
