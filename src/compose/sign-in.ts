import { DAY, SECOND } from "../clock.js";
import type { Config } from "../config.js";
import type { AccessTokens } from "../crypto/access-tokens.js";
import { KeyedHash } from "../crypto/keyed-hash.js";
import type { PasswordThreads } from "../crypto/password-threads.js";
import { Passwords } from "../crypto/passwords.js";
import { PasswordQueue } from "../services/limits/password-queue.js";
import { RateLimits } from "../services/limits/rate-limits.js";
import { Refresh } from "../services/sessions/refresh.js";
import { Sessions } from "../services/sessions/sessions.js";
import { PasswordCheck } from "../services/sign-in/check-password.js";
import { Login } from "../services/sign-in/login.js";
import { Reauthentication } from "../services/sign-in/reauthentication.js";
import { SessionStart } from "../services/sign-in/start-session.js";
import type { Base } from "./base.js";

export type SignIn = ReturnType<typeof composeSignIn>;

/** Builds passwords, rate limits, sessions and the ways to sign in. */
export function composeSignIn(
  config: Config,
  { db, clock, newId, audit, metrics, secretKey }: Base,
  { accessTokens, threads }: { accessTokens: AccessTokens; threads: PasswordThreads },
) {
  const passwords = new Passwords({ cost: config.bcryptCost, metrics, threads });
  const passwordQueue = new PasswordQueue({ passwords, metrics, processes: config.workers });
  const names = new KeyedHash(secretKey, "attempts");
  const rateLimits = new RateLimits({ db, clock, audit, metrics, names });
  const lifetime = { idle: config.refreshTokenExpireDays * DAY, absolute: config.sessionExpireDays * DAY };
  const maxPerUser = config.maxSessionsPerUser;
  const sessions = new Sessions({ db, accessTokens, audit, clock, newId, lifetime, maxPerUser });
  const grace = config.refreshGraceSeconds * SECOND;
  const refresh = new Refresh({ db, rateLimits, sessions, clock, lifetime, grace });
  const passwordCheck = new PasswordCheck({ db, clock, rateLimits, passwords, passwordQueue, audit });
  const sessionStart = new SessionStart({ db, sessions, audit });
  const login = new Login({ db, passwordCheck, sessionStart, sessions, metrics });
  const reauthentication = new Reauthentication({ clock, passwordCheck });
  return { passwords, passwordQueue, names, rateLimits, sessions, refresh, login, reauthentication };
}
