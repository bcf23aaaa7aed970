import { LatchkeyError } from "../../errors.js";
import { findPasswordHash } from "../../storage/credentials.js";
import { type Database, inTransaction } from "../../storage/database.js";
import type { Session } from "../../storage/sessions.js";
import { lockUser, type User } from "../../storage/users.js";
import type { Audit, Caller } from "../audit.js";
import type { Sessions } from "../sessions/sessions.js";
import type { CheckedPassword } from "./check-password.js";

/** A new session, its user as they are now, and its first refresh token. */
export interface StartedSession {
  session: Session;
  user: User;
  refreshToken: string;
}

const REFUSALS = {
  ACCOUNT_DISABLED: "This account has been disabled. Ask an administrator.",
  EMAIL_NOT_VERIFIED: "Open the link in the email we sent you first, or ask for another.",
};

type Outcome =
  | ({ kind: "started" } & StartedSession)
  | { kind: "refused"; code: keyof typeof REFUSALS }
  | { kind: "replaced" };

export interface SessionStartDeps {
  db: Database;
  sessions: Sessions;
  audit: Audit;
}

/** The second half of signing in, in which every sign-in method ends: whether the user may have a session. */
export class SessionStart {
  constructor(private readonly deps: SessionStartDeps) {}

  /**
   * Starts a session, if the password is still the one that was checked.
   * @returns undefined when it was replaced meanwhile, by a new password or a new hash of the same
   * @throws ACCOUNT_DISABLED, EMAIL_NOT_VERIFIED
   */
  async start({ user, hash, attempt }: CheckedPassword, caller: Caller): Promise<StartedSession | undefined> {
    const outcome = await inTransaction(this.deps.db, async (transaction) => {
      const outcome = await this.#start(transaction, { id: user.id, hash, caller });
      if (outcome.kind === "started") await attempt.succeed(transaction);
      return outcome;
    }).catch(attempt.fail);
    switch (outcome.kind) {
      case "started":
        return outcome;
      case "refused":
        return attempt.fail(new LatchkeyError(outcome.code, REFUSALS[outcome.code]));
      case "replaced":
        await attempt.giveBack();
        return undefined;
    }
  }

  async #start(
    transaction: Database,
    { id, hash, caller }: { id: string; hash: string; caller: Caller },
  ): Promise<Outcome> {
    const user = await lockUser(transaction, id);
    if (user === undefined || (await findPasswordHash(transaction, id)) !== hash) return { kind: "replaced" };
    const code = refusalOf(user);
    if (code !== undefined) {
      const event = { subjectId: id, caller, details: { reason: code } };
      await this.deps.audit.record(transaction, "LOGIN_FAILED", event);
      return { kind: "refused", code };
    }
    const started = await this.deps.sessions.start(transaction, user, caller, ["pwd"]);
    const event = { actorId: id, subjectId: id, sessionId: started.session.id, caller };
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
