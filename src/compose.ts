import "reflect-metadata";
import { dirname, join } from "node:path";
import type { FastifyInstance } from "fastify";
import type { GraphQLSchema } from "graphql";
import type { Logger } from "pino";
import { type Clock, idsFrom, systemClock } from "./clock.js";
import type { Config } from "./config.js";
import { AccessTokens, type KeyRing, SecretKeyRing } from "./crypto/access-tokens.js";
import { Passwords } from "./crypto/passwords.js";
import { loadOrCreateSecretKey } from "./crypto/secret-key.js";
import { AccountResolver } from "./graphql/account.js";
import { ItemResolver } from "./graphql/item.js";
import { createSchema } from "./graphql/schema.js";
import { SessionResolver } from "./graphql/session.js";
import { addGraphQL } from "./http/graphql.js";
import { addOAuth } from "./http/oauth.js";
import { addOperations } from "./http/operations.js";
import { createServer } from "./http/server.js";
import { Accounts } from "./services/accounts.js";
import { Audit } from "./services/audit.js";
import { cleanup } from "./services/cleanup.js";
import { Items } from "./services/items.js";
import { Jobs } from "./services/jobs.js";
import { Login } from "./services/login.js";
import { PrivateKeys } from "./services/private-keys.js";
import { Refresh } from "./services/refresh.js";
import { Sessions } from "./services/sessions.js";
import { SigningKeys } from "./services/signing-keys.js";
import { UserImport } from "./services/user-import.js";
import { type Database, openDatabase } from "./storage/database.js";

/** The origins Apollo Sandbox calls from. */
const APOLLO_SANDBOX_ORIGINS = [
  "https://studio.apollographql.com",
  "https://sandbox.embed.apollographql.com",
];

const DAY = 24 * 3_600_000;

/** The parts of one Latchkey. Several can live in one process. */
export interface Latchkey {
  db: Database;
  keys: KeyRing;
  /** Undefined with HS256, which has no keys but SECRET_KEY. */
  signingKeys: SigningKeys | undefined;
  jobs: Jobs;
  login: Login;
  refresh: Refresh;
  accounts: Accounts;
  items: Items;
  sessions: Sessions;
  userImport: UserImport;
  schema: GraphQLSchema;
  close(): Promise<void>;
}

/** Builds the parts and joins them. Nothing is read or written before they are used. */
export function compose(
  config: Config,
  { logger, clock = systemClock }: { logger: Logger; clock?: Clock },
): Latchkey {
  const newId = idsFrom(clock);
  const db = openDatabase(config.database, (err) => logger.warn({ err }, "lost an idle database connection"));
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
          accessTokenLifetime: accessTokenSeconds * 1000,
          onReloadError: (err) => logger.error({ err }, "could not read the signing keys again"),
        });
  const keys = signingKeys ?? new SecretKeyRing(secretKey);
  const accessTokens = new AccessTokens(keys, clock, {
    issuer: config.publicUrl,
    audience: config.tokenAudience,
    lifetimeSeconds: accessTokenSeconds,
  });
  const passwords = new Passwords({ cost: config.bcryptCost });
  const lifetime = { idle: config.refreshTokenExpireDays * DAY, absolute: config.sessionExpireDays * DAY };
  const sessions = new Sessions({ db, accessTokens, audit, clock, newId, lifetime });
  const grace = config.refreshGraceSeconds * 1000;
  const refresh = new Refresh({ db, sessions, audit, clock, lifetime, grace });
  const login = new Login({ db, passwords, sessions, audit, clock });
  const accounts = new Accounts({ db, passwords, audit, clock, newId });
  const items = new Items({ db, clock, newId });
  const userImport = new UserImport({ db, accounts });
  const jobs = new Jobs({ db, clock, jobs: [cleanup({ db, clock, grace })] });
  const schema = createSchema([
    new SessionResolver({ login, refresh, sessions }),
    new AccountResolver(),
    new ItemResolver(items),
  ]);
  return {
    db,
    keys,
    signingKeys,
    jobs,
    login,
    refresh,
    accounts,
    items,
    sessions,
    userImport,
    schema,
    async close() {
      await passwords.close();
      await db.destroy();
    },
  };
}

/** The HTTP server over those parts; not yet listening. */
export async function composeServer(
  config: Config,
  { db, keys, schema, login, refresh, sessions }: Latchkey,
  { logger }: { logger: Logger },
): Promise<FastifyInstance> {
  const corsOrigins = [...config.corsOrigins, ...(config.apolloSandbox ? APOLLO_SANDBOX_ORIGINS : [])];
  const server = await createServer({ logger, corsOrigins });
  await addGraphQL(server, { schema, sessions, apolloSandbox: config.apolloSandbox });
  await addOAuth(server, {
    keys,
    login,
    refresh,
    sessions,
    issuer: config.publicUrl,
    introspectionSecret: config.introspectionSecret,
  });
  await addOperations(server, { db });
  return server;
}

function secretKeyOf(config: Config, logger: Logger): string {
  if (config.secretKey !== undefined) return config.secretKey;
  const directory = config.database.kind === "sqlite" ? dirname(config.database.file) : "data";
  const file = join(directory, "secret.key");
  const { secretKey, created } = loadOrCreateSecretKey(file);
  if (created) logger.warn(`SECRET_KEY is not set: made one for development and keep it in ${file}`);
  return secretKey;
}
