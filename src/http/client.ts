import type { FastifyRequest } from "fastify";
import type { Client } from "../services/audit.js";

const MAX_USER_AGENT = 256;

/** Where a request comes from, as far as it says. */
export function clientOf({ ip, headers }: FastifyRequest): Client {
  return { ipAddress: ip, userAgent: headers["user-agent"]?.slice(0, MAX_USER_AGENT) ?? null };
}
