import { isIP } from "node:net";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import ipaddr from "ipaddr.js";
import type { DatabaseConfig } from "../config.js";

/** Each parser takes a variable's text and returns its value, or undefined when the text is not valid. */

/** `sqlite:PATH`, resolved against the working directory, or a PostgreSQL connection URL. */
export function parseDatabaseUrl(value: string): DatabaseConfig | undefined {
  if (/^postgres(ql)?:\/\//.test(value))
    return URL.canParse(value) ? { kind: "postgres", url: value } : undefined;
  const file = /^sqlite:(?:\/\/)?(.+)$/.exec(value)?.[1];
  return file === undefined || file === ":memory:" ? undefined : { kind: "sqlite", file: resolve(file) };
}

/** An http(s) URL without query, fragment and credentials, returned without a trailing slash. */
export function parsePlainUrl(value: string): string | undefined {
  const url = URL.parse(value);
  const plain =
    url && /^https?:$/.test(url.protocol) && !url.search && !url.hash && !url.username && !url.password;
  return plain ? url.href.replace(/\/+$/, "") : undefined;
}

export function parseSmtpUrl(value: string): string | undefined {
  return /^smtps?:$/.test(URL.parse(value)?.protocol ?? "") ? value : undefined;
}

/** One mailbox of RFC 5322: `ADDRESS` or `NAME <ADDRESS>`. A list of addresses is not valid. */
export function parseMailbox(value: string): string | undefined {
  return /^([^\s<>@,;"]+@[^\s<>@,;"]+|[^\r\n<>@,;]+ <[^\s<>@,;"]+@[^\s<>@,;"]+>)$/.test(value)
    ? value
    : undefined;
}

/** Addresses, CIDR blocks and Fastify's names for private networks, separated by commas. */
export function parseProxies(value: string): readonly string[] | undefined {
  const proxies = parseList(value);
  const isProxy = (proxy: string) =>
    ["loopback", "linklocal", "uniquelocal"].includes(proxy) ||
    isIP(proxy) !== 0 ||
    ipaddr.isValidCIDR(proxy);
  return proxies.every(isProxy) ? Object.freeze(proxies) : undefined;
}

/** Origins exactly as a browser sends them in `Origin`, separated by commas. */
export function parseOrigins(value: string): readonly string[] | undefined {
  const origins = parseList(value);
  const exact = (origin: string) => /^https?:\/\/[^*]+$/.test(origin) && URL.parse(origin)?.origin === origin;
  return origins.every(exact) ? Object.freeze(origins) : undefined;
}

/** Origins whose pages browsers allow to use passkeys: https, or http on localhost (Secure Contexts, 3.1). */
export function parseSecureOrigins(value: string): readonly string[] | undefined {
  const origins = parseOrigins(value);
  return origins !== undefined && origins.length > 0 && origins.every(isSecureOrigin) ? origins : undefined;
}

/** A host name as URLs have it, in lower case and without a final dot. An IP address is not one. */
export function parseHostName(value: string): string | undefined {
  const isName = /^[a-z0-9-]+(\.[a-z0-9-]+)*$/.test(value) && isIP(value) === 0;
  return isName && URL.parse(`https://${value}`)?.hostname === value ? value : undefined;
}

/**
 * Whether pages of an origin can use passkeys of a relying party (Web Authentication, 5.1.3): its id is the host name, or a
 * parent domain. Browsers also reject public suffixes such as `co.uk`; only those of one label are rejected here.
 */
export function servesOrigin(rpId: string, origin: string): boolean {
  const { hostname } = new URL(origin);
  const isParent = rpId.includes(".") && hostname.endsWith(`.${rpId}`);
  return parseHostName(rpId) !== undefined && isSecureOrigin(origin) && (hostname === rpId || isParent);
}

function isSecureOrigin(origin: string): boolean {
  const { protocol, hostname } = new URL(origin);
  return protocol === "https:" || hostname === "localhost" || hostname.endsWith(".localhost");
}

/** More would need more connections than PostgreSQL allows by default, and more memory than a small machine has. */
export const MAX_WORKERS = 64;

/** `auto`, one for each core, or a number. */
export function parseWorkers(value: string): number | undefined {
  if (value === "auto") return availableParallelism();
  const workers = /^\d{1,3}$/.test(value) ? Number(value) : 0;
  return workers >= 1 && workers <= MAX_WORKERS ? workers : undefined;
}

function parseList(value: string): string[] {
  return value
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}

/** Web Authentication, 6.4.1: authenticators may cut off longer names. */
export function parseServiceName(value: string): string | undefined {
  return /^\P{C}+$/u.test(value) && Buffer.byteLength(value) <= 64 ? value : undefined;
}
