import { setTimeout } from "node:timers/promises";
import type { FastifyInstance } from "fastify";
import { SECOND } from "../../clock.js";
import { isProbe } from "./request-log.js";

/** Refusals sent in a second. Each costs about as much work as any other answer. */
const RATE = 200;
/** The longest delay of a refusal, in milliseconds. */
const LONGEST_WAIT = 5 * SECOND;

/**
 * Sends answers of status 429 and 503 at a limited rate, except to probes. Clients that retry immediately would
 * otherwise take all the processor time, and slow down everybody else.
 */
export function paceRefusals(server: FastifyInstance): void {
  let next = 0;
  server.addHook("onSend", (request, reply, _payload, done) => {
    if ((reply.statusCode !== 429 && reply.statusCode !== 503) || isProbe(request)) return done();
    const now = performance.now();
    next = Math.min(Math.max(now, next + SECOND / RATE), now + LONGEST_WAIT);
    // Fastify waits for a promise, and handles what is thrown after it.
    return setTimeout(next - now);
  });
}
