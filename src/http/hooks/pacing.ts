import { setTimeout } from "node:timers/promises";
import type { FastifyInstance } from "fastify";
import { SECOND } from "../../clock.js";
import { isProbe } from "./request-log.js";

/** Refusals that leave a second; each takes about as much work as any other answer. */
const RATE = 200;
/** How long one is held back at most, in milliseconds. */
const LONGEST_WAIT = 5 * SECOND;

/**
 * Sends RATE_LIMITED, OVERLOADED and SERVICE_UNAVAILABLE no faster than at a steady rate; probes wait for nothing. Clients that try again as soon as they are
 * refused would otherwise take all the time there is, and others would wait for theirs.
 */
export function paceRefusals(server: FastifyInstance): void {
  let next = 0;
  server.addHook("onSend", async (request, reply) => {
    if ((reply.statusCode !== 429 && reply.statusCode !== 503) || isProbe(request)) return;
    const now = performance.now();
    next = Math.min(Math.max(now, next + SECOND / RATE), now + LONGEST_WAIT);
    await setTimeout(next - now);
  });
}
