import type { IncomingMessage } from "node:http";

/** The headers of a client's request that a gateway passes on to the subgraphs. */
const NAMES = ["authorization", "user-agent", "x-request-id"];

/**
 * What a gateway passes on of a client's request: the access token, and where the request comes from, since Latchkey
 * limits attempts by the client's address. Latchkey's TRUST_PROXY lists the gateway, and the proxies in front of it.
 */
export function passedOn({ headers, socket }: IncomingMessage): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const name of NAMES) {
    const value = headers[name];
    if (typeof value === "string") passed[name] = value;
  }
  // Added at the end, whatever the client wrote there: Latchkey reads it from the end, as far as it trusts.
  passed["x-forwarded-for"] = [headers["x-forwarded-for"], socket.remoteAddress].filter(Boolean).join(", ");
  return passed;
}
