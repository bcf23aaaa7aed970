import type { Metrics } from "../../metrics.js";
import type { Database } from "../../storage/database.js";
import { findUserById, type User } from "../../storage/users.js";
import type { Caller } from "../audit.js";
import type { Outbox } from "../email/outbox.js";
import type { RateLimits } from "../limits/rate-limits.js";
import { type Challenges, invalidChallenge } from "../mfa/challenges.js";
import type { IssuedToken } from "../sessions/sessions.js";
import type { CodeCheck } from "./check-code.js";
import type { Proof } from "./proof.js";
import type { SessionStart } from "./start-session.js";

export interface SecondFactorDeps {
  db: Database;
  rateLimits: RateLimits;
  challenges: Challenges;
  codeCheck: CodeCheck;
  sessionStart: SessionStart;
  outbox: Outbox;
  metrics: Metrics;
}

/** Completing a sign-in after a correct password, with a second factor. */
export class SecondFactor {
  constructor(private readonly deps: SecondFactorDeps) {}

  /** @throws INVALID_TOKEN for the challenge; INVALID_CREDENTIALS; ACCOUNT_DISABLED; RATE_LIMITED */
  async verifyTotp(challenge: string, code: string, caller: Caller): Promise<IssuedToken> {
    return this.#verify(challenge, caller, (user) => this.deps.codeCheck.totp(user, code, caller));
  }

  /** @throws INVALID_TOKEN for the challenge; INVALID_CREDENTIALS; ACCOUNT_DISABLED; RATE_LIMITED */
  async verifyRecoveryCode(challenge: string, code: string, caller: Caller): Promise<IssuedToken> {
    const token = await this.#verify(challenge, caller, (user) =>
      this.deps.codeCheck.recoveryCode(user, code, caller),
    );
    this.deps.outbox.wake();
    return token;
  }

  async #verify(
    challenge: string,
    caller: Caller,
    check: (user: User) => Promise<Proof>,
  ): Promise<IssuedToken> {
    const verified = this.deps.rateLimits.guessToken(caller, async () => {
      const { userId } = await this.deps.challenges.find(this.deps.db, "SIGN_IN", challenge);
      const user = userId === null ? undefined : await findUserById(this.deps.db, userId);
      if (user === undefined) throw invalidChallenge();
      return this.#complete(await check(user), challenge, caller);
    });
    return this.deps.metrics.login(verified);
  }

  /** Ends in the one way to start a session. The challenge stands for the password. */
  async #complete(proof: Proof, challenge: string, caller: Caller): Promise<IssuedToken> {
    const complete: Proof = {
      ...proof,
      methods: ["pwd", ...proof.methods],
      confirm: async (transaction) => {
        if (!(await proof.confirm(transaction))) return false;
        await this.deps.challenges.consume(transaction, "SIGN_IN", challenge);
        return true;
      },
    };
    return this.deps.sessionStart.complete(complete, caller);
  }
}
