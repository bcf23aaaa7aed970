import { dirname, join } from "node:path";
import type { Logger } from "pino";
import { type Clock, idsFrom, SECOND } from "../clock.js";
import type { Config } from "../config.js";
import { loadOrCreateSecretKey } from "../crypto/secret-key.js";
import { type SecretPurpose, StoredSecrets } from "../crypto/stored-secrets.js";
import { Metrics } from "../metrics.js";
import { Audit } from "../services/audit.js";
import { DatabaseHealth } from "../services/database-health.js";
import { openDatabase } from "../storage/database.js";
import { outboxBacklog } from "../storage/outbox.js";

/** What every other part stands on. */
export type Base = ReturnType<typeof composeBase>;

/** Builds the database, its health, metrics, the audit log and the secret key. */
export function composeBase(config: Config, { logger, clock }: { logger: Logger; clock: Clock }) {
  const newId = idsFrom(clock);
  const metrics = new Metrics({ translate: (error) => health.translate(error) });
  const db = openDatabase(config.database, {
    onIdleError: (error) => logFailure("lost an idle database connection")(error),
    metrics,
    preparedStatements: config.preparedStatements,
  });
  const health = new DatabaseHealth({
    db,
    onAway: (err) => logger.error({ err }, "the database is away"),
    onBack: () => logger.info("the database is back"),
  });
  /** Returns a function that logs a failure outside of requests; an absent database has its one line already. */
  const logFailure = (message: string) => (err: unknown) => {
    if (health.translate(err) === err) logger.error({ err }, message);
  };
  metrics.watchOutbox(async () => {
    const { waiting, oldestAt } = await outboxBacklog(db);
    return { waiting, oldestAge: oldestAt === undefined ? 0 : (clock.now() - oldestAt) / SECOND };
  });
  const secretKey = () => secretKeyOf(config, logger);
  return {
    clock,
    newId,
    logger,
    metrics,
    db,
    health,
    logFailure,
    audit: new Audit({ clock, newId }),
    secretKey,
    /** Encrypts the secrets of a purpose that the database keeps. */
    storedSecrets: (purpose: SecretPurpose) =>
      new StoredSecrets({ secretKey, previousSecretKey: config.previousSecretKey }, purpose),
  };
}

function secretKeyOf(config: Config, logger: Logger): string {
  if (config.secretKey !== undefined) return config.secretKey;
  const directory = config.database.kind === "sqlite" ? dirname(config.database.file) : "data";
  const file = join(directory, "secret.key");
  const { secretKey, created } = loadOrCreateSecretKey(file);
  if (created) logger.warn(`SECRET_KEY is not set: generated one for development, kept in ${file}`);
  return secretKey;
}
