import type { IncomingMessage } from "node:http";
import { setTimeout } from "node:timers/promises";
import type { FastifyInstance } from "fastify";

/** The most that is read and discarded of a refused body, in bytes, and for how long, in milliseconds. */
const MOST = 4 * 1024 * 1024;
const LONGEST = 500;

/**
 * Lets clients finish sending a body that is refused unread. Otherwise the connection would break while they send, and
 * many clients would report that instead of the answer.
 */
export function discardRefusedBodies(server: FastifyInstance): void {
  server.addHook("onSend", ({ raw }, { statusCode }, _payload, done) => {
    if ((statusCode !== 413 && statusCode !== 415) || raw.complete) return done();
    // Fastify waits for a promise, and handles what is thrown after it.
    return discard(raw);
  });
}

async function discard(body: IncomingMessage): Promise<void> {
  const enough = new AbortController();
  let length = 0;
  const count = (chunk: Buffer) => {
    length += chunk.length;
    if (length > MOST) enough.abort();
  };
  const stop = () => enough.abort();
  body.on("data", count).once("end", stop).once("close", stop);
  await setTimeout(LONGEST, undefined, { signal: enough.signal }).catch(() => {});
  body.off("data", count).pause();
}
