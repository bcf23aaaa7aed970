import ipaddr from "ipaddr.js";

/** Whether a `Host` header names this machine. Any other name could point here by DNS rebinding. */
export function isLoopbackHost(host: string | undefined): boolean {
  const hostname = hostnameOf(host);
  const address = hostname.replace(/^\[(.*)\]$/, "$1");
  return (
    hostname === "localhost" || (ipaddr.isValid(address) && ipaddr.process(address).range() === "loopback")
  );
}

/** Whether a `Host` header is the host of PUBLIC_URL, or names this machine. */
export function isOwnHost(host: string | undefined, publicUrl: string): boolean {
  return isLoopbackHost(host) || hostnameOf(host) === new URL(publicUrl).hostname;
}

function hostnameOf(host = ""): string {
  // A URL may have more than a host there: a user before an `@`.
  if (/[@\\]/.test(host)) return "";
  return URL.parse(`http://${host}`)?.hostname ?? "";
}
