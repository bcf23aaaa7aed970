import type { Metrics } from "../../metrics.js";
import type { Database } from "../../storage/database.js";
import { findUserByLogin } from "../../storage/users.js";
import type { Caller } from "../audit.js";
import { isLogin, normalizeLogin } from "../identifiers.js";
import type { IssuedToken, Sessions } from "../sessions/sessions.js";
import type { PasswordCheck } from "./check-password.js";
import type { SessionStart } from "./start-session.js";

export interface LoginDeps {
  db: Database;
  passwordCheck: PasswordCheck;
  sessionStart: SessionStart;
  sessions: Sessions;
  metrics: Metrics;
}

/** Signing in with a password. */
export class Login {
  constructor(private readonly deps: LoginDeps) {}

  /**
   * Starts a session for the user with this username or email address and password.
   * @throws INVALID_CREDENTIALS the same, after the same work, for an unknown user and a wrong password
   * @throws ACCOUNT_DISABLED, EMAIL_NOT_VERIFIED only after a correct password
   * @throws RATE_LIMITED after too many failed attempts; OVERLOADED while too many passwords are being checked
   */
  async login(username: string, password: string, caller: Caller): Promise<IssuedToken> {
    return this.deps.metrics.login(this.#login(username, password, caller));
  }

  async #login(username: string, password: string, caller: Caller): Promise<IssuedToken> {
    const name = normalizeLogin(username);
    const user = isLogin(name) ? await findUserByLogin(this.deps.db, name) : undefined;
    const target = { user, name, rejection: "The username or the password is wrong." };
    for (;;) {
      const checked = await this.deps.passwordCheck.check(target, password, caller);
      const started = await this.deps.sessionStart.start(checked, caller);
      // Another login may have rehashed the password after it was checked: check it against the new hash.
      if (started === undefined) continue;
      return this.deps.sessions.issueToken(started.session, started.user, started.refreshToken);
    }
  }
}
