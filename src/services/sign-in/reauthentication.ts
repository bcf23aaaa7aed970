import type { Clock } from "../../clock.js";
import type { Assertion } from "../../crypto/passkey-responses.js";
import { invalidInput } from "../../errors.js";
import { type Database, inTransaction } from "../../storage/database.js";
import type { AuthenticationMethod } from "../../storage/sessions.js";
import type { User } from "../../storage/users.js";
import type { Audit } from "../audit.js";
import type { Challenges } from "../mfa/challenges.js";
import type { PasskeyOptions } from "../mfa/passkeys.js";
import { needsSecondFactor } from "../sessions/recent-authentication.js";
import type { IssuedToken, Sessions } from "../sessions/sessions.js";
import { type Actor, authorize, changedBy } from "../sessions/viewer.js";
import type { CodeCheck } from "./check-code.js";
import type { PasskeyCheck } from "./check-passkey.js";
import type { PasswordCheck } from "./check-password.js";
import type { Proof } from "./proof.js";

export interface ReauthenticationDeps {
  db: Database;
  clock: Clock;
  audit: Audit;
  sessions: Sessions;
  passwordCheck: PasswordCheck;
  codeCheck: CodeCheck;
  passkeyCheck: PasskeyCheck;
  challenges: Challenges;
}

/** Lets a signed-in user prove again who they are (RFC 9470), for what asks for a recent authentication. */
export class Reauthentication {
  constructor(private readonly deps: ReauthenticationDeps) {}

  /**
   * Renews the authentication of the actor's session with the password. For an account with a second factor, that is not
   * enough.
   * @throws UNAUTHENTICATED, BAD_USER_INPUT, INVALID_CREDENTIALS, RATE_LIMITED, OVERLOADED
   */
  async withPassword(user: User, actor: Actor, password: string): Promise<IssuedToken> {
    requireFactor(user, ["pwd"]);
    const target = { user, name: user.username, rejection: "The password is wrong." };
    return this.#renew(await this.deps.passwordCheck.check(target, password, actor.caller), actor);
  }

  /**
   * Renews the authentication of the actor's session with a code from the authenticator app.
   * @throws UNAUTHENTICATED, INVALID_CREDENTIALS, RATE_LIMITED
   */
  async withCode(user: User, actor: Actor, code: string): Promise<IssuedToken> {
    return this.#renew(await this.deps.codeCheck.totp(user, code, actor.caller), actor);
  }

  /** The options for `withPasskey`. @throws UNAUTHENTICATED, FORBIDDEN; NOT_FOUND when the user has no passkey */
  async startWithPasskey(actor: Actor): Promise<PasskeyOptions> {
    const issued = await inTransaction(this.deps.db, async (transaction) => {
      const { user } = await authorize(transaction, actor, { now: this.deps.clock.now() });
      return this.deps.challenges.replace(transaction, "REAUTHENTICATION", user.id);
    });
    return this.deps.passkeyCheck.options(issued, actor.userId);
  }

  /**
   * Renews the authentication of the actor's session with a passkey.
   * @throws UNAUTHENTICATED, INVALID_TOKEN for the challenge, INVALID_CREDENTIALS, FORBIDDEN, RATE_LIMITED
   */
  async withPasskey(actor: Actor, assertion: Assertion): Promise<IssuedToken> {
    const { challenge } = assertion;
    const expected = { purpose: "REAUTHENTICATION", challenge, userId: actor.userId } as const;
    return this.#renew(await this.deps.passkeyCheck.check(assertion, expected, actor.caller), actor);
  }

  /** @throws INVALID_CREDENTIALS when the proof does not hold, and what the methods above throw */
  async #renew(proof: Proof, actor: Actor): Promise<IssuedToken> {
    const renewed = await inTransaction(this.deps.db, async (transaction) => {
      const { user, session } = await authorize(transaction, actor, { now: this.deps.clock.now() });
      // A factor may have been added since the password was checked.
      requireFactor(user, proof.methods);
      if (!(await proof.confirm(transaction))) return undefined;
      await proof.attempt.succeed(transaction);
      const details = { methods: proof.methods };
      const event = { ...changedBy(actor), subjectId: user.id, sessionId: session.id, details };
      await this.deps.audit.record(transaction, "REAUTHENTICATED", event);
      return { user, session: await this.deps.sessions.renew(transaction, session, proof.methods) };
    }).catch(proof.attempt.fail);
    if (renewed === undefined) return proof.reject();
    return this.deps.sessions.issueToken(renewed.session, renewed.user, null);
  }
}

/** @throws BAD_USER_INPUT for a password of an account with a second factor */
function requireFactor(user: User, methods: readonly AuthenticationMethod[]): void {
  if (!needsSecondFactor(user, methods)) return;
  const message = "the account has a second factor: a password is not enough";
  throw invalidInput([{ field: "password", rule: "secondFactor", message }]);
}
