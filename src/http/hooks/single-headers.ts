import type { FastifyInstance } from "fastify";
import { refusal } from "../failures.js";

/** Headers that a request sends once (RFC 9110, 5.3; RFC 9112, 3.2), by their names in lower case. */
const SINGLE = ["Authorization", "Content-Type", "Host"].map((name) => [name.toLowerCase(), name] as const);

/**
 * Rejects a request that sends one of these headers twice. Node uses the first, and a proxy in front may have used the
 * last. The error has the form of the endpoint.
 */
export function refuseRepeatedHeaders(server: FastifyInstance): void {
  server.addHook("onRequest", ({ raw }, reply, done) => {
    for (const [name, spelled] of SINGLE) {
      if (!isRepeated(raw.rawHeaders, name)) continue;
      if (name === "authorization") reply.header("www-authenticate", 'Bearer error="invalid_request"');
      throw refusal(400, `Send one ${spelled} header.`);
    }
    done();
  });
}

/** @param rawHeaders names and values in turn, as they were sent */
function isRepeated(rawHeaders: readonly string[], name: string): boolean {
  let seen = false;
  for (let n = 0; n < rawHeaders.length; n += 2) {
    const sent = rawHeaders[n]!;
    // Comparing lengths first spares most headers the conversion.
    if (sent.length !== name.length || sent.toLowerCase() !== name) continue;
    if (seen) return true;
    seen = true;
  }
  return false;
}
