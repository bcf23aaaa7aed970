import type { Config } from "../config.js";
import { RelyingParty } from "../crypto/relying-party.js";
import { AuthenticatorApp } from "../services/mfa/authenticator-app.js";
import { Challenges } from "../services/mfa/challenges.js";
import { Factors } from "../services/mfa/factors.js";
import { Passkeys } from "../services/mfa/passkeys.js";
import { RecoveryCodes } from "../services/mfa/recovery-codes.js";
import { TotpSecrets } from "../services/mfa/totp-secrets.js";
import { CodeCheck } from "../services/sign-in/check-code.js";
import { PasskeyCheck } from "../services/sign-in/check-passkey.js";
import { PasswordCheck } from "../services/sign-in/check-password.js";
import { Login } from "../services/sign-in/login.js";
import { PasskeySignIn } from "../services/sign-in/passkey-sign-in.js";
import { Reauthentication } from "../services/sign-in/reauthentication.js";
import { SecondFactor } from "../services/sign-in/second-factor.js";
import { SessionStart } from "../services/sign-in/start-session.js";
import type { Base } from "./base.js";
import type { Emails } from "./emails.js";
import type { SessionParts } from "./sessions.js";

export type SignIn = ReturnType<typeof composeSignIn>;

const UNREADABLE_SECRETS =
  "authenticator app secrets are encrypted under neither SECRET_KEY nor PREVIOUS_SECRET_KEY: set the SECRET_KEY that they were encrypted under as PREVIOUS_SECRET_KEY, or reset the second factors of their users";
const ALL_REENCRYPTED =
  "all authenticator app secrets are encrypted under SECRET_KEY: PREVIOUS_SECRET_KEY is no longer needed";

/** Builds the ways to sign in, and second factors. */
export function composeSignIn(
  config: Config,
  { db, clock, newId, logger, audit, metrics, storedSecrets }: Base,
  { passwords, passwordQueue, rateLimits, sessions }: SessionParts,
  { outbox }: Emails,
) {
  const challenges = new Challenges({ clock });
  const factors = new Factors({ audit, outbox, rateLimits, sessions });
  const secrets = new TotpSecrets({
    db,
    secrets: storedSecrets("authenticator secret"),
    onReencrypted: (unreadable) => {
      if (unreadable > 0) logger.error({ unreadable }, UNREADABLE_SECRETS);
      else logger.info(ALL_REENCRYPTED);
    },
  });
  const authenticatorApp = new AuthenticatorApp({
    db,
    clock,
    secrets,
    factors,
    sessions,
    outbox,
    issuer: config.serviceName,
  });
  const recoveryCodes = new RecoveryCodes({ db, clock, factors, outbox });
  const relyingParty = new RelyingParty({ settings: config.relyingParty, name: config.serviceName });
  const passkeys = new Passkeys({ db, clock, newId, challenges, relyingParty, factors, sessions, outbox });
  const passwordCheck = new PasswordCheck({ db, clock, rateLimits, passwords, passwordQueue, audit });
  const codeCheck = new CodeCheck({ db, clock, rateLimits, secrets, factors, audit });
  const passkeyCheck = new PasskeyCheck({ db, clock, rateLimits, challenges, relyingParty, audit });
  const sessionStart = new SessionStart({ db, clock, sessions, challenges, audit });
  const login = new Login({ db, passwordCheck, sessionStart, metrics });
  const secondFactor = new SecondFactor({
    db,
    rateLimits,
    challenges,
    codeCheck,
    sessionStart,
    outbox,
    metrics,
  });
  const passkeySignIn = new PasskeySignIn({
    db,
    rateLimits,
    challenges,
    passkeyCheck,
    sessionStart,
    metrics,
  });
  const reauthentication = new Reauthentication({
    db,
    clock,
    audit,
    sessions,
    passwordCheck,
    codeCheck,
    passkeyCheck,
    challenges,
  });
  return {
    passwordCheck,
    login,
    secondFactor,
    passkeySignIn,
    reauthentication,
    factors,
    totpSecrets: secrets,
    authenticatorApp,
    passkeys,
    recoveryCodes,
  };
}
