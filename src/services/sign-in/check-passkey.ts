import type { Clock } from "../../clock.js";
import type { Assertion } from "../../crypto/passkey-responses.js";
import type { RelyingParty } from "../../crypto/relying-party.js";
import { LatchkeyError } from "../../errors.js";
import type { Database } from "../../storage/database.js";
import { acceptPasskeyCounter, findPasskey, listPasskeys, type Passkey } from "../../storage/passkeys.js";
import { findUserById, type User } from "../../storage/users.js";
import type { Audit, Caller } from "../audit.js";
import type { RateLimits } from "../limits/rate-limits.js";
import { type Challenges, type IssuedChallenge, invalidChallenge } from "../mfa/challenges.js";
import { invalidPasskey, methodsOf, type PasskeyOptions } from "../mfa/passkeys.js";
import type { Proof } from "./proof.js";

/** What a passkey must have signed. */
export interface ExpectedAssertion {
  purpose: "SIGN_IN" | "PASSKEY_SIGN_IN" | "REAUTHENTICATION";
  challenge: string;
  /** The only user whose challenge it may be. Anyone's without it. */
  userId?: string;
}

export interface PasskeyCheckDeps {
  db: Database;
  clock: Clock;
  rateLimits: RateLimits;
  challenges: Challenges;
  relyingParty: RelyingParty;
  audit: Audit;
}

/** Checks passkeys. A valid one always works; invalid ones are limited per network, like invalid tokens. */
export class PasskeyCheck {
  constructor(private readonly deps: PasskeyCheckDeps) {}

  /**
   * The options to answer a challenge with.
   * @param userId whose passkeys to allow; null: any that the browser finds
   * @throws FORBIDDEN; NOT_FOUND when the user has no passkey
   */
  async options({ challenge, expiresAt }: IssuedChallenge, userId: string | null): Promise<PasskeyOptions> {
    const allowed = userId === null ? undefined : await listPasskeys(this.deps.db, userId);
    if (allowed?.length === 0) throw new LatchkeyError("NOT_FOUND", "You have no passkey.");
    const ceremony = { challenge, timeout: expiresAt - this.deps.clock.now() };
    return { publicKey: await this.deps.relyingParty.authenticationOptions(ceremony, allowed), expiresAt };
  }

  /**
   * Checks that a passkey signed a challenge, for whom it was issued. Audits and counts one that did not.
   * @throws INVALID_TOKEN for the challenge; INVALID_CREDENTIALS; FORBIDDEN; RATE_LIMITED
   */
  async check(
    assertion: Assertion,
    { purpose, challenge, userId }: ExpectedAssertion,
    caller: Caller,
  ): Promise<Proof> {
    const { db, challenges, rateLimits } = this.deps;
    const issued = await challenges.find(db, purpose, challenge);
    if (userId !== undefined && issued.userId !== userId) throw invalidChallenge();
    const found = await findPasskey(db, assertion.credentialId);
    const verified = found && (await this.#verify(assertion, found, { ...issued, challenge }));
    if (verified === undefined) return this.#fail(issued.userId ?? found?.userId, "INVALID_PASSKEY", caller);
    const { user, passkey, counter } = verified;
    const { credentialId } = passkey;
    const methods = methodsOf(passkey);
    return {
      user,
      // The challenge stands for the password.
      methods: purpose === "SIGN_IN" ? ["pwd", ...methods] : methods,
      attempt: rateLimits.uncounted(
        await rateLimits.identify(caller, { userId: user.id, name: user.username }),
      ),
      confirm: async (transaction) => {
        // First, so that a replayed response fails for its challenge and not as a counter that went back.
        await challenges.find(transaction, purpose, challenge);
        const now = this.deps.clock.now();
        if (!(await acceptPasskeyCounter(transaction, { credentialId, counter, now }))) return false;
        await challenges.consume(transaction, purpose, challenge);
        return true;
      },
      reject: () => this.#reject(passkey, caller),
    };
  }

  /** Ends a proof that does not hold: the counter went back, or the passkey was deleted. @throws INVALID_CREDENTIALS */
  async #reject({ userId, credentialId }: Passkey, caller: Caller): Promise<never> {
    const exists = (await findPasskey(this.deps.db, credentialId)) !== undefined;
    return this.#fail(userId, exists ? "PASSKEY_COUNTER" : "INVALID_PASSKEY", caller);
  }

  /** @param issued.userId null when the passkey identifies the user */
  async #verify(
    assertion: Assertion,
    passkey: Passkey,
    { userId, challenge }: { userId: string | null; challenge: string },
  ): Promise<{ user: User; passkey: Passkey; counter: number } | undefined> {
    const { userHandle } = assertion;
    // Optional when the user is known (Web Authentication, 7.2, step 6).
    const isOwner = userId === null ? userHandle === passkey.userId : userId === passkey.userId;
    if (!isOwner || (userHandle ?? passkey.userId) !== passkey.userId) return undefined;
    const expected = { challenge, verifiedUser: userId === null };
    const verified = await this.deps.relyingParty.verifyAssertion(assertion, passkey, expected);
    const user = verified && (await findUserById(this.deps.db, passkey.userId));
    return user && { user, passkey, ...verified };
  }

  async #fail(subjectId: string | undefined, reason: string, caller: Caller): Promise<never> {
    await this.deps.rateLimits.count("TOKEN", caller);
    await this.deps.audit.record(this.deps.db, "LOGIN_FAILED", { subjectId, caller, details: { reason } });
    throw invalidPasskey();
  }
}
