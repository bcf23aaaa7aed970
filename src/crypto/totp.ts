import { Secret, TOTP } from "otpauth";
import { SECOND } from "../clock.js";

/** RFC 6238 with the values that every authenticator app knows. The seconds are also the length of a time step. */
const PARAMETERS = { algorithm: "SHA1", digits: 6, period: 30 } as const;
/** RFC 4226, 4: 160 bits are recommended. */
const SECRET_BYTES = 20;
/** Time steps before and after the current one whose codes are accepted: for clocks that differ, and slow typing. */
const WINDOW = 1;

/** A new secret, in base32. */
export function newTotpSecret(): string {
  return new Secret({ size: SECRET_BYTES }).base32;
}

/**
 * The `otpauth:` URI that an authenticator app reads from a QR code.
 * @param options.account without a colon. Those in the issuer are left out: apps take the first one for its end.
 */
export function totpUri(secret: string, options: { issuer: string; account: string }): string {
  const issuer = options.issuer.replace(/[:\s]+/g, " ").trim();
  const key = { secret: Secret.fromBase32(secret), issuer, label: options.account };
  return new TOTP({ ...PARAMETERS, ...key }).toString();
}

/**
 * The time step whose code this is; undefined for any other text. Spaces in it are ignored.
 * @param now epoch milliseconds
 */
export function totpStepOf(secret: string, code: string, now: number): number | undefined {
  const token = code.replaceAll(" ", "");
  if (!/^[0-9]{6}$/.test(token)) return undefined;
  const totp = new TOTP({ ...PARAMETERS, secret: Secret.fromBase32(secret) });
  const delta = totp.validate({ token, timestamp: now, window: WINDOW });
  return delta === null ? undefined : Math.floor(now / (PARAMETERS.period * SECOND)) + delta;
}
