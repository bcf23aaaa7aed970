import { BlockList, isIP } from "node:net";
import type { FastifyRequest } from "fastify";
import ipaddr from "ipaddr.js";
import type { Caller } from "../services/audit.js";

const MAX_USER_AGENT = 256;

/** The names for networks in TRUST_PROXY (RFC 1918, 3927, 4193, 4291). */
const NAMED_NETWORKS: Record<string, string[]> = {
  loopback: ["127.0.0.0/8", "::1/128"],
  linklocal: ["169.254.0.0/16", "fe80::/10"],
  uniquelocal: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"],
};

/** Where a request comes from. */
export function callerOf(request: FastifyRequest): Caller {
  const userAgent = request.headers["user-agent"]?.slice(0, MAX_USER_AGENT) ?? null;
  return { ipAddress: addressOf(request), userAgent };
}

/** The IP address of the client; that of the nearest proxy when the proxy reports something else. */
export function addressOf({ ip, socket }: FastifyRequest): string | null {
  return plainAddress(ip) ?? plainAddress(socket.remoteAddress) ?? null;
}

/** Returns a function that tests whether an address belongs to one of these proxies, as TRUST_PROXY names them. */
export function trustOf(proxies: readonly string[]): (address: string | undefined) => boolean {
  const trusted = new BlockList();
  for (const network of proxies.flatMap((proxy) => NAMED_NETWORKS[proxy] ?? proxy)) {
    const [address, prefix] = network.includes("/")
      ? ipaddr.parseCIDR(network)
      : [ipaddr.process(network), undefined];
    if (prefix === undefined) trusted.addAddress(address.toString(), address.kind());
    else trusted.addSubnet(address.toString(), prefix, address.kind());
  }
  return (address) => {
    const plain = plainAddress(address);
    return plain !== undefined && trusted.check(plain, isIP(plain) === 4 ? "ipv4" : "ipv6");
  };
}

/** The address without its zone (RFC 4007, 11), which has a meaning on the sender's machine only. */
function plainAddress(address: string | undefined): string | undefined {
  const plain = address?.replace(/%.*/s, "");
  return plain !== undefined && isIP(plain) ? plain : undefined;
}
