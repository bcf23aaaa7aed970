import { DAY, SECOND } from "../clock.js";
import type { Config } from "../config.js";
import type { AccessTokens } from "../crypto/access-tokens.js";
import { KeyedHash } from "../crypto/keyed-hash.js";
import type { PasswordThreads } from "../crypto/password-threads.js";
import { Passwords } from "../crypto/passwords.js";
import { PasswordQueue } from "../services/limits/password-queue.js";
import { RateLimits } from "../services/limits/rate-limits.js";
import { Scopes } from "../services/scopes.js";
import { Access } from "../services/sessions/access.js";
import { Claims } from "../services/sessions/claims.js";
import { Refresh } from "../services/sessions/refresh.js";
import { Sessions } from "../services/sessions/sessions.js";
import type { Base } from "./base.js";

export type SessionParts = ReturnType<typeof composeSessions>;

/** Builds passwords, rate limits, sessions, and the decision who may do what. */
export function composeSessions(
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
  const scopes = new Scopes(config);
  const claims = new Claims({ scopes, template: config.claims });
  const access = new Access({ clock, requireMfa: config.requireMfa });
  const sessions = new Sessions({
    db,
    access,
    accessTokens,
    audit,
    claims,
    clock,
    newId,
    lifetime,
    maxPerUser,
  });
  const grace = config.refreshGraceSeconds * SECOND;
  const refresh = new Refresh({ db, rateLimits, sessions, clock, lifetime, grace });
  return { passwords, passwordQueue, names, rateLimits, access, scopes, sessions, refresh };
}
