import "reflect-metadata";
import { dirname, join } from "node:path";
import type { FastifyInstance } from "fastify";
import type { GraphQLSchema } from "graphql";
import type { Logger } from "pino";
import { type Clock, DAY, idsFrom, SECOND, systemClock } from "./clock.js";
import type { Config } from "./config.js";
import { AccessTokens } from "./crypto/access-tokens.js";
import { type KeyRing, SecretKeyRing } from "./crypto/key-ring.js";
import { KeyedHash } from "./crypto/keyed-hash.js";
import { PasswordThreads } from "./crypto/password-threads.js";
import { Passwords } from "./crypto/passwords.js";
import { loadOrCreateSecretKey } from "./crypto/secret-key.js";
import type { Mailer } from "./email/mailer.js";
import { NoMailer } from "./email/none.js";
import { PrintedMailer } from "./email/printed.js";
import { SmtpMailer } from "./email/smtp.js";
import { blame } from "./exit.js";
import { AdministrationResolver } from "./graphql/administration.js";
import { AuditLogResolver } from "./graphql/audit-log.js";
import { ItemResolver, UserItemsResolver } from "./graphql/item.js";
import { OwnAccountResolver } from "./graphql/own-account.js";
import { PasswordRecoveryResolver } from "./graphql/password-recovery.js";
import { RegistrationResolver } from "./graphql/registration.js";
import { createSchema } from "./graphql/schema.js";
import { SessionResolver } from "./graphql/session.js";
import { readPersistedDocuments } from "./http/apollo/persisted-documents.js";
import { addEmails } from "./http/routes/emails.js";
import { addForwardAuth } from "./http/routes/forward-auth.js";
import { addGraphQL } from "./http/routes/graphql.js";
import { addHealth } from "./http/routes/health.js";
import { addMetrics } from "./http/routes/metrics.js";
import { addOAuth } from "./http/routes/oauth/routes.js";
import { createServer } from "./http/server.js";
import { Metrics } from "./metrics.js";
import { Administration } from "./services/accounts/administration.js";
import { Disabling } from "./services/accounts/disabling.js";
import { Operator } from "./services/accounts/operator.js";
import { OwnAccount } from "./services/accounts/own-account.js";
import { Registration } from "./services/accounts/registration.js";
import { UserImport } from "./services/accounts/user-import.js";
import { Audit } from "./services/audit.js";
import { AuditLog } from "./services/audit-log.js";
import { cleanup } from "./services/cleanup.js";
import { DatabaseHealth } from "./services/database-health.js";
import { accountEmails } from "./services/email/account-emails.js";
import { EmailRequests } from "./services/email/email-requests.js";
import { OneTimeTokens } from "./services/email/one-time-tokens.js";
import { Outbox } from "./services/email/outbox.js";
import { Items } from "./services/items.js";
import { Jobs } from "./services/jobs.js";
import { PrivateKeys } from "./services/keys/private-keys.js";
import { SigningKeys } from "./services/keys/signing-keys.js";
import { EmailLimits } from "./services/limits/email-limits.js";
import { PasswordQueue } from "./services/limits/password-queue.js";
import { RateLimits } from "./services/limits/rate-limits.js";
import { AccountAccess } from "./services/passwords/account-access.js";
import { PasswordPolicy } from "./services/passwords/policy.js";
import { PasswordRecovery } from "./services/passwords/recovery.js";
import { purge } from "./services/purge.js";
import { Refresh } from "./services/sessions/refresh.js";
import { Sessions } from "./services/sessions/sessions.js";
import { PasswordCheck } from "./services/sign-in/check-password.js";
import { Login } from "./services/sign-in/login.js";
import { Reauthentication } from "./services/sign-in/reauthentication.js";
import { SessionStart } from "./services/sign-in/start-session.js";
import { type Database, openDatabase } from "./storage/database.js";
import { outboxBacklog } from "./storage/outbox.js";

/** The origins Apollo Sandbox calls from. */
const APOLLO_SANDBOX_ORIGINS = [
  "https://studio.apollographql.com",
  "https://sandbox.embed.apollographql.com",
];

/** The parts of one Latchkey. Several can live in one process. */
export interface Latchkey {
  metrics: Metrics;
  db: Database;
  health: DatabaseHealth;
  keys: KeyRing;
  /** Makes what logs a failure beside requests, in these words. */
  logFailure: (message: string) => (error: unknown) => void;
  /** Undefined with HS256, which has no keys but SECRET_KEY. */
  signingKeys: SigningKeys | undefined;
  jobs: Jobs;
  outbox: Outbox;
  mailer: Mailer;
  passwordQueue: PasswordQueue;
  login: Login;
  refresh: Refresh;
  administration: Administration;
  operator: Operator;
  items: Items;
  sessions: Sessions;
  userImport: UserImport;
  schema: GraphQLSchema;
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
  const newId = idsFrom(clock);
  const metrics = new Metrics({ translate: (error) => health.translate(error) });
  const db = openDatabase(config.database, {
    onIdleError: (error) => logFailure("lost an idle database connection")(error),
    metrics,
  });
  const health = new DatabaseHealth({
    db,
    onAway: (err) => logger.error({ err }, "the database is away"),
    onBack: () => logger.info("the database is back"),
  });
  /** What fails for want of the database has its one line already. */
  const logFailure = (message: string) => (err: unknown) => {
    if (health.translate(err) === err) logger.error({ err }, message);
  };
  metrics.watchOutbox(async () => {
    const { waiting, oldestAt } = await outboxBacklog(db);
    return { waiting, oldestAge: oldestAt === undefined ? 0 : (clock.now() - oldestAt) / SECOND };
  });
  const audit = new Audit({ clock, newId });
  const secretKey = () => secretKeyOf(config, logger);
  const accessTokenSeconds = config.accessTokenExpireMinutes * 60;
  const signingKeys =
    config.algorithm === "HS256"
      ? undefined
      : new SigningKeys({
          db,
          clock,
          audit,
          privateKeys: new PrivateKeys({ db, secretKey, previousSecretKey: config.previousSecretKey }),
          algorithm: config.algorithm,
          accessTokenLifetime: accessTokenSeconds * SECOND,
          onReloadError: logFailure("could not read the signing keys again"),
        });
  const keys = signingKeys ?? new SecretKeyRing(secretKey);
  const accessTokens = new AccessTokens({
    keys,
    clock,
    issuer: config.publicUrl,
    audience: config.tokenAudience,
    lifetimeSeconds: accessTokenSeconds,
  });
  const threads = passwordThreads ?? new PasswordThreads();
  const passwords = new Passwords({ cost: config.bcryptCost, metrics, threads });
  const passwordQueue = new PasswordQueue({ passwords, metrics });
  const names = new KeyedHash(secretKey, "attempts");
  const rateLimits = new RateLimits({ db, clock, audit, metrics, names });
  const policy = new PasswordPolicy({
    rateLimits,
    passwords,
    passwordQueue,
    minLength: config.passwordMinLength,
  });
  const lifetime = { idle: config.refreshTokenExpireDays * DAY, absolute: config.sessionExpireDays * DAY };
  const sessions = new Sessions({
    db,
    accessTokens,
    audit,
    clock,
    newId,
    lifetime,
    maxPerUser: config.maxSessionsPerUser,
  });
  const grace = config.refreshGraceSeconds * SECOND;
  const auditRetention = config.auditRetentionDays * DAY;
  const refresh = new Refresh({ db, rateLimits, sessions, clock, lifetime, grace });
  const passwordCheck = new PasswordCheck({ db, clock, rateLimits, passwords, passwordQueue, audit });
  const sessionStart = new SessionStart({ db, sessions, audit });
  const login = new Login({ db, passwordCheck, sessionStart, sessions, metrics });
  const items = new Items({ db, clock, newId, maxPerUser: config.maxItemsPerUser });
  const mailer = mailerOf(config, { clock, print });
  const tokens = new OneTimeTokens({ clock });
  const outbox = new Outbox({
    db,
    clock,
    newId,
    mailer,
    compose: accountEmails({ db, tokens, secretKey, appUrl: config.appUrl }),
    limits: new EmailLimits({ db, clock, names }),
    onFailure: ({ error: err, ...email }) => logger.warn({ err, email }, "an email was not sent"),
    onError: logFailure("the outbox failed"),
  });
  const emailRequests = new EmailRequests({ db, rateLimits, outbox });
  const access = new AccountAccess({ clock, rateLimits, sessions, outbox });
  const accountDeps = {
    access,
    db,
    clock,
    audit,
    rateLimits,
    passwords,
    passwordQueue,
    policy,
    sessions,
    tokens,
    emailRequests,
    outbox,
  };
  const registration = new Registration({
    db,
    clock,
    newId,
    audit,
    rateLimits,
    passwords,
    passwordQueue,
    policy,
    tokens,
    access,
    outbox,
    open: config.openRegistration,
  });
  const recovery = new PasswordRecovery(accountDeps);
  const disabling = new Disabling({ clock, audit, access });
  const administration = new Administration({
    db,
    clock,
    newId,
    audit,
    access,
    disabling,
    sessions,
    outbox,
    sendsEmail: !(mailer instanceof NoMailer),
  });
  const operator = new Operator({
    db,
    clock,
    newId,
    passwords,
    policy,
    audit,
    access,
    disabling,
    outbox,
  });
  const userImport = new UserImport({ db, clock, newId, audit, access, bcryptCost: config.bcryptCost });
  const reauthentication = new Reauthentication({ clock, passwordCheck });
  const ownAccount = new OwnAccount({ ...accountDeps, reauthentication });
  const cleanupJob = cleanup({ db, clock, grace, auditRetention });
  const jobs = new Jobs({ db, clock, jobs: [cleanupJob, purge({ db }), outbox.job()] });
  const schema = createSchema([
    new SessionResolver({ login, refresh, sessions }),
    new OwnAccountResolver(ownAccount),
    new RegistrationResolver({ registration, emailRequests }),
    new PasswordRecoveryResolver({ recovery, emailRequests, policy }),
    new AdministrationResolver(administration),
    new AuditLogResolver(new AuditLog({ db })),
    new ItemResolver(items),
    new UserItemsResolver(),
  ]);
  return {
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
    login,
    refresh,
    administration,
    operator,
    items,
    sessions,
    userImport,
    schema,
    async close() {
      health.close();
      await outbox.close();
      if (passwordThreads === undefined) await threads.close();
      await db.destroy();
      metrics.close();
    },
  };
}

/** The HTTP server over those parts; not yet listening. */
export async function composeServer(
  config: Config,
  { metrics, health, keys, mailer, schema, login, refresh, sessions, items }: Latchkey,
  { logger }: { logger: Logger },
): Promise<FastifyInstance> {
  const corsOrigins = [...config.corsOrigins, ...(config.apolloSandbox ? APOLLO_SANDBOX_ORIGINS : [])];
  const server = await createServer({
    logger,
    corsOrigins,
    trustedProxies: config.trustedProxies,
    shutdownDelay: config.shutdownDelaySeconds,
    hsts:
      config.publicUrl.startsWith("https:") && config.hstsMaxAge > 0
        ? { maxAge: config.hstsMaxAge, includeSubDomains: config.hstsIncludeSubdomains }
        : undefined,
    health,
    metrics,
  });
  const manifest = config.persistedDocuments;
  const persistedDocuments =
    manifest === undefined ? undefined : await blame("PERSISTED_DOCUMENTS", readPersistedDocuments(manifest));
  await addGraphQL(server, {
    schema,
    sessions,
    items,
    health,
    metrics,
    apolloSandbox: config.apolloSandbox,
    persistedDocuments,
    maxAnswerBytes: config.maxAnswerBytes,
  });
  await addOAuth(server, {
    keys,
    login,
    refresh,
    sessions,
    health,
    issuer: config.publicUrl,
    introspectionSecret: config.introspectionSecret,
  });
  await addForwardAuth(server, { sessions });
  await addHealth(server, { health });
  if (config.metricsToken !== undefined || !config.production)
    await addMetrics(server, { metrics, token: config.metricsToken });
  if (mailer instanceof PrintedMailer) await addEmails(server, { mailer, publicUrl: config.publicUrl });
  return server;
}

function mailerOf(config: Config, deps: { clock: Clock; print: (text: string) => void }): Mailer {
  const { smtpUrl, emailFrom, production } = config;
  if (smtpUrl !== undefined) return new SmtpMailer({ url: smtpUrl, from: emailFrom });
  return production ? new NoMailer() : new PrintedMailer(deps);
}

function secretKeyOf(config: Config, logger: Logger): string {
  if (config.secretKey !== undefined) return config.secretKey;
  const directory = config.database.kind === "sqlite" ? dirname(config.database.file) : "data";
  const file = join(directory, "secret.key");
  const { secretKey, created } = loadOrCreateSecretKey(file);
  if (created) logger.warn(`SECRET_KEY is not set: made one for development and keep it in ${file}`);
  return secretKey;
}
