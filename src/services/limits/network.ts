import ipaddr from "ipaddr.js";
import type { Caller } from "../audit.js";

/**
 * The network a client is in, as limits count it: an IPv4 address, or the /64 of an IPv6 one, in which one subscriber
 * may choose addresses. "unknown" for what is no address.
 */
export function networkOf({ ipAddress }: Caller): string {
  if (ipAddress === null || !ipaddr.isValid(ipAddress)) return "unknown";
  const address = ipaddr.process(ipAddress);
  if (!(address instanceof ipaddr.IPv6)) return address.toString();
  return `${new ipaddr.IPv6([...address.parts.slice(0, 4), 0, 0, 0, 0])}/64`;
}
