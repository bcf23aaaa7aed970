import { createHash, timingSafeEqual } from "node:crypto";
import { readBearer } from "../graphql/bearer.js";

/**
 * Whether the Authorization header has the secret: as a bearer token, or as HTTP Basic's password, plain or
 * form-encoded as OAuth clients send it (RFC 6749, 2.3.1).
 */
export function presentsSecret(authorization: string | undefined, secret: string): boolean {
  return secretsOf(authorization).some((candidate) => isSame(candidate, secret));
}

function secretsOf(authorization: string | undefined): string[] {
  const basic = /^basic +([A-Za-z0-9+/]+=*)$/i.exec(authorization ?? "")?.[1];
  if (basic !== undefined) {
    const credentials = Buffer.from(basic, "base64").toString();
    const password = credentials.slice(credentials.indexOf(":") + 1);
    return [password, formDecoded(password)];
  }
  const bearer = readBearer(authorization);
  return bearer.kind === "token" ? [bearer.token] : [];
}

function formDecoded(text: string): string {
  return new URLSearchParams(`secret=${text}`).get("secret") ?? "";
}

/** Compares in constant time. */
function isSame(presented: string, secret: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(presented), digest(secret));
}
