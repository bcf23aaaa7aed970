import { createHash, timingSafeEqual } from "node:crypto";
import { bearerToken } from "../graphql/context.js";

/**
 * Whether the Authorization header shows the secret: as a bearer, or as HTTP Basic's password, plain or
 * form-encoded as OAuth clients send it (RFC 6749, 2.3.1).
 */
export function presentsSecret(authorization: string | undefined, secret: string): boolean {
  const basic = /^basic +([A-Za-z0-9+/]+=*)$/i.exec(authorization ?? "")?.[1];
  const password =
    basic &&
    Buffer.from(basic, "base64")
      .toString()
      .replace(/^[^:]*:/, "");
  const presented = password ? [password, formDecoded(password)] : [bearerToken(authorization) ?? ""];
  return presented.some((candidate) => isSame(candidate, secret));
}

function formDecoded(text: string): string {
  return new URLSearchParams(`secret=${text}`).get("secret") ?? "";
}

/** In a time that does not tell how much of it is the same. */
function isSame(presented: string, secret: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(presented), digest(secret));
}
