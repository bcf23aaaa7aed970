import ipaddr from "ipaddr.js";
import type { Caller } from "../audit.js";

/**
 * The caller's network, as rate limits count it: the IPv4 address, or the /64 of the IPv6 address, within which one
 * subscriber can choose addresses. "unknown" without a valid address.
 */
export function networkOf({ ipAddress }: Caller): string {
  if (ipAddress === null || !ipaddr.isValid(ipAddress)) return "unknown";
  const address = ipaddr.process(ipAddress);
  if (!(address instanceof ipaddr.IPv6)) return address.toString();
  return `${new ipaddr.IPv6([...address.parts.slice(0, 4), 0, 0, 0, 0])}/64`;
}
