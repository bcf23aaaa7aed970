import { parseHostName, parseSecureOrigins, servesOrigin } from "./parsers.js";
import type { Reader } from "./reader.js";

/** Who passkeys are for (Web Authentication, 4). */
export interface RelyingPartyConfig {
  /** The domain they belong to. */
  readonly id: string;
  /** The origins of the pages that can use them. */
  readonly origins: readonly string[];
}

/**
 * Reads WEBAUTHN_RP_ID and WEBAUTHN_ORIGINS, which default to APP_URL's host name and origin. The explorer's origin is a
 * default too, if it is on that host.
 * @returns undefined when neither is set, and APP_URL has no host name or is not secure
 */
export function readRelyingParty(
  { read }: Reader,
  env: NodeJS.ProcessEnv,
  { appUrl, explorerUrl, problems }: { appUrl: string; explorerUrl: string | undefined; problems: string[] },
): RelyingPartyConfig | undefined {
  const { hostname, origin } = new URL(appUrl);
  const id = read("WEBAUTHN_RP_ID", hostname, "a host name such as example.com", parseHostName);
  const explorerOrigin = explorerUrl === undefined ? origin : new URL(explorerUrl).origin;
  const origins = read<readonly string[]>(
    "WEBAUTHN_ORIGINS",
    servesOrigin(id, explorerOrigin) ? [...new Set([origin, explorerOrigin])] : [origin],
    "https origins such as https://app.example.com, or http://localhost:3000, separated by commas",
    parseSecureOrigins,
  );
  if (origins.every((each) => servesOrigin(id, each))) return { id, origins };
  if (problems.length === 0 && (env["WEBAUTHN_RP_ID"] || env["WEBAUTHN_ORIGINS"])) {
    problems.push(
      "WEBAUTHN_RP_ID must be the host name of every origin in WEBAUTHN_ORIGINS, or a parent domain of it. Both default to APP_URL's",
    );
  }
  return undefined;
}
