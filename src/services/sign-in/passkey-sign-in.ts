import type { Assertion } from "../../crypto/passkey-responses.js";
import type { Metrics } from "../../metrics.js";
import type { Database } from "../../storage/database.js";
import type { Caller } from "../audit.js";
import type { RateLimits } from "../limits/rate-limits.js";
import type { Challenges } from "../mfa/challenges.js";
import type { PasskeyOptions } from "../mfa/passkeys.js";
import type { IssuedToken } from "../sessions/sessions.js";
import type { ExpectedAssertion, PasskeyCheck } from "./check-passkey.js";
import type { SessionStart } from "./start-session.js";

export interface PasskeySignInDeps {
  db: Database;
  rateLimits: RateLimits;
  challenges: Challenges;
  passkeyCheck: PasskeyCheck;
  sessionStart: SessionStart;
  metrics: Metrics;
}

/** Signing in with a passkey: after a correct password as the second factor, or alone, without a username. */
export class PasskeySignIn {
  constructor(private readonly deps: PasskeySignInDeps) {}

  /**
   * The options to sign in with.
   * @param challenge the one that the password brought; undefined to sign in with a passkey alone
   * @throws INVALID_TOKEN for the challenge; FORBIDDEN; RATE_LIMITED; NOT_FOUND when the user has no passkey
   */
  async options(challenge: string | undefined, caller: Caller): Promise<PasskeyOptions> {
    const { db, rateLimits, challenges, passkeyCheck } = this.deps;
    if (challenge === undefined) {
      await rateLimits.count("PASSKEY_OPTIONS", caller);
      return passkeyCheck.options(await challenges.issue(db, "PASSKEY_SIGN_IN", null), null);
    }
    return rateLimits.guessToken(caller, async () => {
      const { userId, expiresAt } = await challenges.find(db, "SIGN_IN", challenge);
      return passkeyCheck.options({ challenge, expiresAt }, userId);
    });
  }

  /**
   * Starts a session.
   * @param challenge as for `options`
   * @throws INVALID_TOKEN for the challenge; INVALID_CREDENTIALS, FORBIDDEN, RATE_LIMITED
   * @throws ACCOUNT_DISABLED, EMAIL_NOT_VERIFIED only after a valid passkey
   */
  async verify(challenge: string | undefined, assertion: Assertion, caller: Caller): Promise<IssuedToken> {
    const expected: ExpectedAssertion =
      challenge === undefined
        ? { purpose: "PASSKEY_SIGN_IN", challenge: assertion.challenge }
        : { purpose: "SIGN_IN", challenge };
    const verified = this.deps.rateLimits.guessToken(caller, () => this.#verify(assertion, expected, caller));
    return this.deps.metrics.login(verified);
  }

  async #verify(assertion: Assertion, expected: ExpectedAssertion, caller: Caller): Promise<IssuedToken> {
    const proof = await this.deps.passkeyCheck.check(assertion, expected, caller);
    return this.deps.sessionStart.complete(proof, caller);
  }
}
