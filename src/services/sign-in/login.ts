import { LatchkeyError } from "../../errors.js";
import type { Metrics } from "../../metrics.js";
import type { Database } from "../../storage/database.js";
import { findUserByLogin } from "../../storage/users.js";
import type { Caller } from "../audit.js";
import { isLogin, normalizeLogin } from "../identifiers.js";
import type { IssuedToken } from "../sessions/sessions.js";
import type { PasswordCheck } from "./check-password.js";
import type { MfaChallenge, SessionStart, SignInResult } from "./start-session.js";

export interface LoginDeps {
  db: Database;
  passwordCheck: PasswordCheck;
  sessionStart: SessionStart;
  metrics: Metrics;
}

/** Signing in with a password. */
export class Login {
  constructor(private readonly deps: LoginDeps) {}

  /**
   * Checks the password of the user with this username or email address. Starts a session, or asks for the account's
   * second factor.
   * @throws INVALID_CREDENTIALS the same, after the same work, for an unknown user and a wrong password
   * @throws ACCOUNT_DISABLED, EMAIL_NOT_VERIFIED only after a correct password
   * @throws RATE_LIMITED after too many failed attempts; OVERLOADED while too many passwords are being checked
   */
  async signIn(username: string, password: string, caller: Caller): Promise<SignInResult> {
    return this.deps.metrics.login(this.#signIn(username, password, caller), ({ kind }) =>
      kind === "challenge" ? "MFA_REQUIRED" : "success",
    );
  }

  /** As `signIn`. @throws MFA_REQUIRED, with the challenge, when the account has a second factor */
  async login(username: string, password: string, caller: Caller): Promise<IssuedToken> {
    const result = await this.signIn(username, password, caller);
    if (result.kind === "challenge") throw mfaRequired(result.challenge);
    return result.token;
  }

  async #signIn(username: string, password: string, caller: Caller): Promise<SignInResult> {
    const name = normalizeLogin(username);
    const user = isLogin(name) ? await findUserByLogin(this.deps.db, name) : undefined;
    const target = { user, name, rejection: "The username or the password is wrong." };
    for (;;) {
      const proof = await this.deps.passwordCheck.check(target, password, caller);
      const result = await this.deps.sessionStart.start(proof, caller);
      if (result !== undefined) return result;
      // Another login may have rehashed the password after it was checked: check it against the new hash.
      await proof.attempt.giveBack();
    }
  }
}

function mfaRequired({ challenge, methods, expiresAt }: MfaChallenge): LatchkeyError<"MFA_REQUIRED"> {
  const message =
    "The password is correct, but the account has a second factor: answer the challenge in `extensions.mfa`.";
  const mfa = { challenge, methods, expiresAt: new Date(expiresAt).toISOString() };
  return new LatchkeyError("MFA_REQUIRED", message, { mfa });
}
