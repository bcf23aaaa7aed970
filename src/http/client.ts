import { isIP } from "node:net";
import type { FastifyRequest } from "fastify";
import type { Client } from "../services/audit.js";

const MAX_USER_AGENT = 256;

/** Where a request comes from, as far as it says. */
export function clientOf(request: FastifyRequest): Client {
  const userAgent = request.headers["user-agent"]?.slice(0, MAX_USER_AGENT) ?? null;
  return { ipAddress: addressOf(request), userAgent };
}

/** The address of who sent the request, or of the nearest proxy when what that says is no address. */
export function addressOf({ ip, socket }: FastifyRequest): string | null {
  return isIP(ip) ? ip : (socket.remoteAddress ?? null);
}
