import type { Logger } from "pino";
import { type Clock, DAY, SECOND, systemClock } from "./clock.js";
import { composeAccounts } from "./compose/accounts.js";
import { composeBase } from "./compose/base.js";
import { composeEmails } from "./compose/emails.js";
import { composeSessions } from "./compose/sessions.js";
import { composeSignIn } from "./compose/sign-in.js";
import { composeTokens } from "./compose/tokens.js";
import type { Config } from "./config.js";
import type { KeyRing } from "./crypto/key-ring.js";
import { PasswordThreads } from "./crypto/password-threads.js";
import type { Mailer } from "./email/mailer.js";
import type { Metrics } from "./metrics.js";
import type { Administration } from "./services/accounts/administration.js";
import type { Operator } from "./services/accounts/operator.js";
import type { OwnAccount } from "./services/accounts/own-account.js";
import type { Registration } from "./services/accounts/registration.js";
import type { UserImport } from "./services/accounts/user-import.js";
import { AuditLog } from "./services/audit-log.js";
import { cleanup } from "./services/cleanup.js";
import type { DatabaseHealth } from "./services/database-health.js";
import type { EmailRequests } from "./services/email/email-requests.js";
import type { Outbox } from "./services/email/outbox.js";
import { Items } from "./services/items.js";
import { Jobs } from "./services/jobs.js";
import type { SigningKeys } from "./services/keys/signing-keys.js";
import type { PasswordQueue } from "./services/limits/password-queue.js";
import type { AuthenticatorApp } from "./services/mfa/authenticator-app.js";
import type { Passkeys } from "./services/mfa/passkeys.js";
import type { RecoveryCodes } from "./services/mfa/recovery-codes.js";
import type { PasswordPolicy } from "./services/passwords/policy.js";
import type { PasswordRecovery } from "./services/passwords/recovery.js";
import { purge } from "./services/purge.js";
import type { Scopes } from "./services/scopes.js";
import type { Access } from "./services/sessions/access.js";
import type { Refresh } from "./services/sessions/refresh.js";
import type { Sessions } from "./services/sessions/sessions.js";
import { type Settings, settingsOf } from "./services/settings.js";
import type { Login } from "./services/sign-in/login.js";
import type { PasskeySignIn } from "./services/sign-in/passkey-sign-in.js";
import type { Reauthentication } from "./services/sign-in/reauthentication.js";
import type { SecondFactor } from "./services/sign-in/second-factor.js";
import type { Database } from "./storage/database.js";

/** The parts of one Latchkey. Several can live in one process. */
export interface Latchkey {
  clock: Clock;
  metrics: Metrics;
  db: Database;
  health: DatabaseHealth;
  keys: KeyRing;
  /** Returns a function that logs a failure outside of requests with this message. */
  logFailure: (message: string) => (error: unknown) => void;
  /** Undefined with HS256, whose one key is SECRET_KEY. */
  signingKeys: SigningKeys | undefined;
  jobs: Jobs;
  outbox: Outbox;
  mailer: Mailer;
  passwordQueue: PasswordQueue;
  settings: Settings;
  access: Access;
  login: Login;
  secondFactor: SecondFactor;
  passkeySignIn: PasskeySignIn;
  reauthentication: Reauthentication;
  authenticatorApp: AuthenticatorApp;
  passkeys: Passkeys;
  recoveryCodes: RecoveryCodes;
  refresh: Refresh;
  ownAccount: OwnAccount;
  registration: Registration;
  recovery: PasswordRecovery;
  policy: PasswordPolicy;
  emailRequests: EmailRequests;
  administration: Administration;
  operator: Operator;
  auditLog: AuditLog;
  items: Items;
  scopes: Scopes;
  sessions: Sessions;
  userImport: UserImport;
  close(): Promise<void>;
}

/**
 * Builds the parts and joins them. Nothing is read or written before they are used.
 * @param deps.print where emails go in development when there is no mail server
 * @param deps.passwordThreads shared with others, and closed by whoever created them
 */
export function compose(
  config: Config,
  {
    logger,
    clock = systemClock,
    print = () => {},
    passwordThreads,
  }: {
    logger: Logger;
    clock?: Clock;
    print?: (text: string) => void;
    passwordThreads?: PasswordThreads;
  },
): Latchkey {
  const base = composeBase(config, { logger, clock });
  const { db, health, logFailure, metrics, newId } = base;
  const { signingKeys, keys, accessTokens } = composeTokens(config, base);
  const threads = passwordThreads ?? new PasswordThreads(config.workers);
  const sessionParts = composeSessions(config, base, { accessTokens, threads });
  const { access, refresh, scopes, sessions, passwordQueue, names } = sessionParts;
  const emails = composeEmails(config, base, { names, print });
  const { mailer, outbox } = emails;
  const signIn = composeSignIn(config, base, sessionParts, emails);
  const { login, secondFactor, passkeySignIn, reauthentication } = signIn;
  const { authenticatorApp, passkeys, recoveryCodes, totpSecrets } = signIn;
  const accounts = composeAccounts(config, base, sessionParts, signIn, emails);
  const { registration, recovery, policy, emailRequests } = accounts;
  const { ownAccount, administration, operator, userImport } = accounts;
  const items = new Items({ db, clock, newId, maxPerUser: config.maxItemsPerUser });
  const grace = config.refreshGraceSeconds * SECOND;
  const cleanupJob = cleanup({ db, clock, grace, auditRetention: config.auditRetentionDays * DAY });
  const jobs = new Jobs({
    db,
    clock,
    jobs: [
      cleanupJob,
      purge({ db }),
      outbox.job(),
      ...(config.previousSecretKey === undefined ? [] : [totpSecrets.reencryption()]),
    ],
  });
  return {
    clock,
    metrics,
    db,
    health,
    logFailure,
    keys,
    signingKeys,
    jobs,
    outbox,
    mailer,
    passwordQueue,
    settings: settingsOf(config, emails),
    access,
    login,
    secondFactor,
    passkeySignIn,
    reauthentication,
    authenticatorApp,
    passkeys,
    recoveryCodes,
    refresh,
    ownAccount,
    registration,
    recovery,
    policy,
    emailRequests,
    administration,
    operator,
    auditLog: new AuditLog({ db }),
    items,
    scopes,
    sessions,
    userImport,
    async close() {
      health.close();
      await outbox.close();
      if (passwordThreads === undefined) await threads.close();
      await db.destroy();
      metrics.close();
    },
  };
}
