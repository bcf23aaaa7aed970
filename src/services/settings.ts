import type { Config } from "../config.js";
import { MAX_PASSWORD_BYTES } from "../crypto/passwords.js";
import { MFA_METHODS, type MfaMethod } from "../storage/users.js";

/** What anyone may know of the configuration: forms to sign in and up depend on it. */
export interface Settings {
  registrationOpen: boolean;
  /** In Unicode code points. */
  passwordMinLength: number;
  /** In UTF-8. */
  passwordMaxBytes: number;
  mfaMethods: readonly MfaMethod[];
  mfaRequiredFor: Config["requireMfa"];
  /** Whether the server can send emails; in development it prints them, which counts. */
  sendsEmail: boolean;
}

export function settingsOf(config: Config, { sendsEmail }: { sendsEmail: boolean }): Settings {
  return {
    registrationOpen: config.openRegistration,
    passwordMinLength: config.passwordMinLength,
    passwordMaxBytes: MAX_PASSWORD_BYTES,
    mfaMethods: MFA_METHODS.filter((method) => method !== "PASSKEY" || config.relyingParty !== undefined),
    mfaRequiredFor: config.requireMfa,
    sendsEmail,
  };
}
