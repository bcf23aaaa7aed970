import type { Clock } from "../../clock.js";
import { LatchkeyError } from "../../errors.js";
import { type Database, inTransaction } from "../../storage/database.js";
import type { Session } from "../../storage/sessions.js";
import { lockUser, type MfaMethod, type User } from "../../storage/users.js";
import type { Audit, Caller } from "../audit.js";
import type { Challenges, IssuedChallenge } from "../mfa/challenges.js";
import { needsSecondFactor } from "../sessions/recent-authentication.js";
import type { IssuedToken, Sessions } from "../sessions/sessions.js";
import type { Proof } from "./proof.js";

/** A challenge to prove a second factor, with what the user can prove it with. */
export interface MfaChallenge extends IssuedChallenge {
  methods: readonly MfaMethod[];
}

/** What a proof brings: tokens, or the challenge to prove a second factor too. */
export type SignInResult =
  | { kind: "token"; token: IssuedToken }
  | { kind: "challenge"; challenge: MfaChallenge };

const REFUSALS = {
  ACCOUNT_DISABLED: "This account has been disabled. Ask an administrator.",
  EMAIL_NOT_VERIFIED: "Open the link in the email we sent you first, or ask for another.",
};

type Outcome =
  | { kind: "started"; session: Session; user: User; refreshToken: string }
  | { kind: "challenge"; challenge: MfaChallenge }
  | { kind: "refused"; code: keyof typeof REFUSALS }
  | { kind: "void" };

export interface SessionStartDeps {
  db: Database;
  clock: Clock;
  sessions: Sessions;
  challenges: Challenges;
  audit: Audit;
}

/** The second half of signing in, in which every sign-in method ends: whether the user may have a session. */
export class SessionStart {
  constructor(private readonly deps: SessionStartDeps) {}

  /**
   * Starts a session, or asks for a second factor.
   * @returns undefined when the proof does not hold: the caller ends its attempt
   * @throws ACCOUNT_DISABLED, EMAIL_NOT_VERIFIED, INVALID_TOKEN
   */
  async start(proof: Proof, caller: Caller): Promise<SignInResult | undefined> {
    const { attempt } = proof;
    const outcome = await inTransaction(this.deps.db, (transaction) =>
      this.#start(transaction, proof, caller),
    ).catch(attempt.fail);
    switch (outcome.kind) {
      case "started": {
        const { session, user, refreshToken } = outcome;
        return { kind: "token", token: await this.deps.sessions.issueToken(session, user, refreshToken) };
      }
      case "challenge":
        // The account's counts are reset by the second factor: until then, nobody has signed in.
        await attempt.giveBack();
        return outcome;
      case "refused":
        return attempt.fail(new LatchkeyError(outcome.code, REFUSALS[outcome.code]));
      case "void":
        return undefined;
    }
  }

  /**
   * Starts a session with a proof that includes a second factor.
   * @throws as `start`; INVALID_CREDENTIALS when the proof does not hold
   */
  async complete(proof: Proof, caller: Caller): Promise<IssuedToken> {
    const result = await this.start(proof, caller);
    if (result === undefined) return proof.reject();
    if (result.kind === "challenge") throw new Error("Unreachable: the proof includes a second factor.");
    return result.token;
  }

  async #start(transaction: Database, proof: Proof, caller: Caller): Promise<Outcome> {
    const user = await lockUser(transaction, proof.user.id);
    if (user === undefined || !(await proof.confirm(transaction))) return { kind: "void" };
    const { id } = user;
    const code = refusalOf(user);
    if (code !== undefined) {
      const event = { subjectId: id, caller, details: { reason: code } };
      await this.deps.audit.record(transaction, "LOGIN_FAILED", event);
      return { kind: "refused", code };
    }
    if (needsSecondFactor(user, proof.methods)) {
      await this.deps.audit.record(transaction, "MFA_CHALLENGED", { subjectId: id, caller });
      const challenge = await this.deps.challenges.issue(transaction, "SIGN_IN", id);
      return { kind: "challenge", challenge: { ...challenge, methods: user.mfaMethods } };
    }
    await proof.attempt.succeed(transaction);
    const started = await this.deps.sessions.start(transaction, user, caller, {
      authenticatedAt: this.deps.clock.now(),
      authenticationMethods: proof.methods,
    });
    const event = {
      actorId: id,
      subjectId: id,
      sessionId: started.session.id,
      caller,
      details: { methods: proof.methods },
    };
    await this.deps.audit.record(transaction, "LOGIN_SUCCEEDED", event);
    return { kind: "started", user, ...started };
  }
}

/** Why the user may not sign in, if so. */
function refusalOf(user: User): keyof typeof REFUSALS | undefined {
  if (user.disabledAt !== null) return "ACCOUNT_DISABLED";
  if (user.emailVerifiedAt === null) return "EMAIL_NOT_VERIFIED";
  return undefined;
}
