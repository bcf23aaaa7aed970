import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { loadEnvFile } from "node:process";
import { type Pages, readPages } from "./config/pages.js";
import {
  MAX_WORKERS,
  parseDatabaseUrl,
  parseMailbox,
  parseOrigins,
  parsePlainUrl,
  parseProxies,
  parseServiceName,
  parseSmtpUrl,
  parseWorkers,
} from "./config/parsers.js";
import { readerOf } from "./config/reader.js";
import { type RelyingPartyConfig, readRelyingParty } from "./config/relying-party.js";
import { readTokens, type TokenSettings } from "./config/tokens.js";

const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;
const REQUIRE_MFA = ["none", "admins", "all"] as const;
const ENVIRONMENTS = ["development", "production", "test"] as const;

export type { ClaimField, ClaimTemplate } from "./config/claims.js";
export type { Algorithm } from "./config/tokens.js";

export type DatabaseConfig = { kind: "sqlite"; file: string } | { kind: "postgres"; url: string };

/** The settings, read once at the start and frozen. docs/configuration.md describes each variable. */
export interface Config extends Pages, TokenSettings {
  readonly production: boolean;
  readonly database: DatabaseConfig;
  /** Whether PostgreSQL connections keep prepared statements. */
  readonly preparedStatements: boolean;
  readonly host: string;
  readonly port: number;
  /** How many processes serve the port. */
  readonly workers: number;
  /** The URL that clients reach Latchkey at, and the tokens' `iss`. No trailing slash. */
  readonly publicUrl: string;
  /** Undefined when it is not set, in development only: a key is then generated and kept beside the database. */
  readonly secretKey: string | undefined;
  /** The SECRET_KEY that is being replaced. */
  readonly previousSecretKey: string | undefined;
  readonly auditRetentionDays: number;
  /** The bearer token for `/metrics`. Undefined: open in development, not served in production. */
  readonly metricsToken: string | undefined;
  readonly bcryptCost: number;
  /** In characters. */
  readonly passwordMinLength: number;
  readonly corsOrigins: readonly string[];
  /** The proxies whose `X-Forwarded-*` headers are trusted: addresses and networks. */
  readonly trustedProxies: readonly string[];
  /** `max-age` of Strict-Transport-Security, in seconds; 0: the header is not sent. */
  readonly hstsMaxAge: number;
  readonly hstsIncludeSubdomains: boolean;
  /** How long connections are accepted after SIGTERM, in seconds. */
  readonly shutdownDelaySeconds: number;
  /** The manifest of the only documents that are executed. Undefined: every document is. */
  readonly persistedDocuments: string | undefined;
  /** The largest GraphQL response, in bytes. */
  readonly maxResponseBytes: number;
  /** Whether the API is a subgraph of Apollo Federation. */
  readonly federation: boolean;
  /** Starting one session more ends the one that was used least recently. */
  readonly maxSessionsPerUser: number;
  readonly maxItemsPerUser: number;
  /** Who must have a second factor. */
  readonly requireMfa: (typeof REQUIRE_MFA)[number];
  /** What users know the service as: authenticator apps and passkey dialogs show it. */
  readonly serviceName: string;
  /** The relying party of passkeys. Undefined when nothing is configured and APP_URL has no host name or is not secure. */
  readonly relyingParty: RelyingPartyConfig | undefined;
  /** Whether anyone may register. */
  readonly openRegistration: boolean;
  /** The URL that links in emails start with. No trailing slash. */
  readonly appUrl: string;
  /** Undefined: emails are printed in development and not sent in production. */
  readonly smtpUrl: string | undefined;
  readonly emailFrom: string;
  readonly logLevel: (typeof LOG_LEVELS)[number];
}

export { MIN_SECRET_BYTES } from "./config/reader.js";
export { MIN_KEY_ANNOUNCE_SECONDS } from "./config/tokens.js";

/** Invalid configuration. The message has a line for each variable and never a value. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** A higher cost takes seconds: such a hash is neither created nor verified. */
export const MAX_BCRYPT_COST = 15;

const PLAIN_URL = "an http(s) URL without query or fragment";

/**
 * Returns the environment, completed from a `.env` file in the working directory. Variables that are set already win.
 * @throws ConfigError when the file exists but cannot be read
 */
export function readEnvironment(): NodeJS.ProcessEnv {
  if (existsSync(".env")) {
    try {
      loadEnvFile();
    } catch {
      // Node reports a missing file, whatever the cause.
      throw new ConfigError("The file .env cannot be read: check its permissions");
    }
  }
  return process.env;
}

/**
 * Reads the configuration from the environment. An empty variable counts as not set.
 * @throws ConfigError naming each invalid variable and what it must be
 */
export function loadConfig(env: NodeJS.ProcessEnv): Config {
  const problems: string[] = [];
  const reader = readerOf(env, problems);
  const { read, oneOf, integer, secret } = reader;
  const production = oneOf("NODE_ENV", "development", ENVIRONMENTS) === "production";
  const port = integer("PORT", 4000, 0, 65_535);
  const publicUrl = read("PUBLIC_URL", `http://localhost:${port}`, PLAIN_URL, parsePlainUrl);
  const appUrl = read("APP_URL", "http://localhost:3000", PLAIN_URL, parsePlainUrl);
  const persistedDocuments = read<string | undefined>("PERSISTED_DOCUMENTS", undefined, "a file", (value) =>
    resolve(value),
  );
  const pages = readPages(reader, { production, persistedDocuments, problems });
  const config: Config = {
    production,
    database: read<DatabaseConfig>(
      "DATABASE_URL",
      { kind: "sqlite", file: resolve("data/latchkey.db") },
      "sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE",
      parseDatabaseUrl,
    ),
    preparedStatements: oneOf("PREPARED_STATEMENTS", "true", ["true", "false"]) === "true",
    host: read("HOST", "localhost", "a host name or address", (value) =>
      /^[\w.:-]+$/.test(value) ? value : undefined,
    ),
    port,
    workers: read("WORKERS", 1, `auto, or a number from 1 to ${MAX_WORKERS}`, parseWorkers),
    publicUrl,
    secretKey: secret("SECRET_KEY"),
    previousSecretKey: secret("PREVIOUS_SECRET_KEY"),
    ...readTokens(reader, problems),
    auditRetentionDays: integer("AUDIT_RETENTION_DAYS", 400, 1, 3650),
    metricsToken: secret("METRICS_TOKEN"),
    bcryptCost: integer("BCRYPT_COST", 12, 10, MAX_BCRYPT_COST),
    passwordMinLength: integer("PASSWORD_MIN_LENGTH", 15, 8, 64),
    corsOrigins: read<readonly string[]>(
      "CORS_ORIGINS",
      [],
      "origins such as https://app.example.com, separated by commas",
      parseOrigins,
    ),
    trustedProxies: read<readonly string[]>(
      "TRUST_PROXY",
      [],
      "proxies' addresses or networks such as 10.0.0.0/8, or loopback, linklocal, uniquelocal, separated by commas",
      parseProxies,
    ),
    hstsMaxAge: integer("HSTS_MAX_AGE", 31_536_000, 0, 63_072_000),
    hstsIncludeSubdomains: oneOf("HSTS_INCLUDE_SUBDOMAINS", "false", ["true", "false"]) === "true",
    shutdownDelaySeconds: integer("SHUTDOWN_DELAY_SECONDS", production ? 5 : 0, 0, 60),
    persistedDocuments,
    ...pages,
    federation: oneOf("FEDERATION", "off", ["on", "off"]) === "on",
    maxResponseBytes: integer("MAX_RESPONSE_BYTES", 2 * 1024 * 1024, 64 * 1024, 64 * 1024 * 1024),
    maxSessionsPerUser: integer("MAX_SESSIONS_PER_USER", 100, 1, 1000),
    maxItemsPerUser: integer("MAX_ITEMS_PER_USER", 10_000, 1, 100_000),
    requireMfa: oneOf("REQUIRE_MFA", "none", REQUIRE_MFA),
    serviceName: read(
      "SERVICE_NAME",
      new URL(appUrl).hostname,
      "1 to 64 bytes of printable text",
      parseServiceName,
    ),
    relyingParty: readRelyingParty(reader, env, {
      appUrl,
      explorerUrl: pages.explorer ? publicUrl : undefined,
      problems,
    }),
    openRegistration: oneOf("REGISTRATION", production ? "closed" : "open", ["open", "closed"]) === "open",
    appUrl,
    smtpUrl: read<string | undefined>(
      "SMTP_URL",
      undefined,
      "smtp://USER:PASSWORD@HOST:PORT or smtps://…",
      parseSmtpUrl,
    ),
    emailFrom: read(
      "EMAIL_FROM",
      "Latchkey <latchkey@localhost>",
      "one email address, or NAME <ADDRESS>",
      parseMailbox,
    ),
    logLevel: oneOf("LOG_LEVEL", "info", LOG_LEVELS),
  };
  const required = (name: string, what: string) => {
    if (production && !env[name]) problems.push(`${name} must be set in production: ${what}`);
  };
  required("SECRET_KEY", "32 bytes or more, for example from `openssl rand -hex 32`");
  required("PUBLIC_URL", "the URL that clients reach Latchkey at, such as https://auth.example.com");
  if (config.openRegistration) {
    required("SMTP_URL", "open registration sends emails. Set it, or REGISTRATION=closed");
  }
  if (config.smtpUrl !== undefined) {
    required("APP_URL", "links in emails start with it, such as https://app.example.com");
    required("EMAIL_FROM", "the sender of emails, such as Example <no-reply@example.com>");
  }
  if (config.federation && persistedDocuments !== undefined) {
    problems.push(
      "FEDERATION must be off with PERSISTED_DOCUMENTS: a gateway sends documents that it makes itself",
    );
  }
  if (problems.length > 0) throw new ConfigError(problems.join("\n"));
  return Object.freeze(config);
}

/** The names of all variables that `loadConfig` reads. */
export function variableNames(): ReadonlySet<string> {
  const names = new Set<string>();
  loadConfig(new Proxy({}, { get: (_env, name) => void names.add(String(name)) }));
  return names;
}
