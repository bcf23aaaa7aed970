import { existsSync } from "node:fs";
import { isIP } from "node:net";
import { resolve } from "node:path";
import { loadEnvFile } from "node:process";
import ipaddr from "ipaddr.js";
import { CLOCK_TOLERANCE, SECOND } from "./clock.js";

const ALGORITHMS = ["ES256", "EdDSA", "HS256"] as const;
const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;
const ENVIRONMENTS = ["development", "production", "test"] as const;

/** The JWS algorithms an access token can be signed with (RFC 7518, RFC 8037). */
export type Algorithm = (typeof ALGORITHMS)[number];

export type DatabaseConfig = { kind: "sqlite"; file: string } | { kind: "postgres"; url: string };

/** Everything an operator can set. Frozen once read; see the README's table for each variable. */
export interface Config {
  readonly production: boolean;
  readonly database: DatabaseConfig;
  readonly host: string;
  readonly port: number;
  /** The origin clients reach Latchkey at; also the tokens' `iss`. Without a trailing slash. */
  readonly publicUrl: string;
  readonly tokenAudience: string;
  /** Undefined in development when not set: one is then made beside the database. */
  readonly secretKey: string | undefined;
  /** The SECRET_KEY before this one, while it is being changed. */
  readonly previousSecretKey: string | undefined;
  readonly algorithm: Algorithm;
  readonly accessTokenExpireMinutes: number;
  readonly refreshTokenExpireDays: number;
  readonly sessionExpireDays: number;
  readonly refreshGraceSeconds: number;
  readonly auditRetentionDays: number;
  /** What a resource server must show to introspect tokens; undefined: nobody can. */
  readonly introspectionSecret: string | undefined;
  /** What Prometheus must show to read the metrics; undefined: open in development, not served in production. */
  readonly metricsToken: string | undefined;
  readonly bcryptCost: number;
  /** The shortest password that can be set, in characters. */
  readonly passwordMinLength: number;
  readonly corsOrigins: readonly string[];
  /** Addresses and networks of the proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
  /** How long browsers are told to use HTTPS only, in seconds; 0: they are not told. */
  readonly hstsMaxAge: number;
  readonly hstsIncludeSubdomains: boolean;
  /** How long connections are still accepted after a signal to stop, in seconds. */
  readonly shutdownDelaySeconds: number;
  readonly apolloSandbox: boolean;
  /** The manifest of the only documents that are run; undefined: all are. */
  readonly persistedDocuments: string | undefined;
  /** The most an answer of the GraphQL API may take, in bytes. */
  readonly maxAnswerBytes: number;
  /** How many live sessions a user has at most: one more ends the one that was used least recently. */
  readonly maxSessionsPerUser: number;
  readonly maxItemsPerUser: number;
  /** Whether anyone may register. */
  readonly openRegistration: boolean;
  /** What the links in emails start with. Without a trailing slash. */
  readonly appUrl: string;
  /** Undefined: emails are printed instead of sent, in development only. */
  readonly smtpUrl: string | undefined;
  readonly emailFrom: string;
  readonly logLevel: (typeof LOG_LEVELS)[number];
}

/** What is wrong with the configuration, one line a variable. A value is never part of it. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** bcrypt beyond this takes seconds: such a hash is neither made nor, when stored, ever run. */
export const MAX_BCRYPT_COST = 15;

/** The shortest secret that can be set: what is weaker can be guessed (RFC 7518, 3.2). */
export const MIN_SECRET_BYTES = 32;

/** One tolerance for the two clocks that the grace is measured by, one for the time that a request takes. */
const MIN_REFRESH_GRACE_SECONDS = (2 * CLOCK_TOLERANCE) / SECOND;

/** The process's environment, with what it leaves unset taken from a `.env` file in the working directory. */
export function readEnvironment(): NodeJS.ProcessEnv {
  if (existsSync(".env")) loadEnvFile();
  return process.env;
}

/**
 * Reads the configuration from the environment. A variable set to nothing counts as not set.
 * @throws ConfigError naming each variable that is wrong and what it expects
 */
export function loadConfig(env: NodeJS.ProcessEnv): Config {
  const problems: string[] = [];

  function read<T>(name: string, fallback: T, expects: string, parse: (value: string) => T | undefined): T {
    const value = env[name];
    if (value === undefined || value === "") return fallback;
    const parsed = parse(value);
    if (parsed !== undefined) return parsed;
    problems.push(`${name} must be ${expects}`);
    return fallback;
  }
  const oneOf = <T extends string>(name: string, fallback: T, choices: readonly T[]) =>
    read<T>(name, fallback, `one of ${choices.join(", ")}`, (value) => choices.find((c) => c === value));
  const integer = (name: string, fallback: number, min: number, max: number) =>
    read(name, fallback, `a whole number from ${min} to ${max}`, (value) => {
      const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
      return number >= min && number <= max ? number : undefined;
    });
  const secret = (name: string) =>
    read<string | undefined>(name, undefined, `${MIN_SECRET_BYTES} bytes or more`, (value) =>
      Buffer.byteLength(value) >= MIN_SECRET_BYTES ? value : undefined,
    );

  const production = oneOf("NODE_ENV", "development", ENVIRONMENTS) === "production";
  const port = integer("PORT", 4000, 0, 65_535);
  const config: Config = {
    production,
    database: read<DatabaseConfig>(
      "DATABASE_URL",
      { kind: "sqlite", file: resolve("data/latchkey.db") },
      "sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE",
      parseDatabaseUrl,
    ),
    host: read("HOST", "localhost", "a host name or address", (value) =>
      /^[\w.:-]+$/.test(value) ? value : undefined,
    ),
    port,
    publicUrl: read(
      "PUBLIC_URL",
      `http://localhost:${port}`,
      "an http(s) URL without query or fragment",
      parsePlainUrl,
    ),
    tokenAudience: read("TOKEN_AUDIENCE", "latchkey", "one word without spaces", (value) =>
      /^\S+$/.test(value) ? value : undefined,
    ),
    secretKey: secret("SECRET_KEY"),
    previousSecretKey: secret("PREVIOUS_SECRET_KEY"),
    algorithm: oneOf("ALGORITHM", "ES256", ALGORITHMS),
    accessTokenExpireMinutes: integer("ACCESS_TOKEN_EXPIRE_MINUTES", 15, 1, 1440),
    refreshTokenExpireDays: integer("REFRESH_TOKEN_EXPIRE_DAYS", 14, 1, 365),
    sessionExpireDays: integer("SESSION_EXPIRE_DAYS", 90, 1, 3650),
    refreshGraceSeconds: read(
      "REFRESH_GRACE_SECONDS",
      10,
      `0, or a number from ${MIN_REFRESH_GRACE_SECONDS} to 60`,
      (value) => {
        const seconds = /^\d+$/.test(value) ? Number(value) : Number.NaN;
        return seconds === 0 || (seconds >= MIN_REFRESH_GRACE_SECONDS && seconds <= 60) ? seconds : undefined;
      },
    ),
    auditRetentionDays: integer("AUDIT_RETENTION_DAYS", 400, 1, 3650),
    introspectionSecret: secret("INTROSPECTION_SECRET"),
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
    apolloSandbox: oneOf("APOLLO_SANDBOX", production ? "false" : "true", ["true", "false"]) === "true",
    persistedDocuments: read<string | undefined>("PERSISTED_DOCUMENTS", undefined, "a file", (value) =>
      resolve(value),
    ),
    maxAnswerBytes: integer("MAX_ANSWER_BYTES", 2 * 1024 * 1024, 64 * 1024, 64 * 1024 * 1024),
    maxSessionsPerUser: integer("MAX_SESSIONS_PER_USER", 100, 1, 1000),
    maxItemsPerUser: integer("MAX_ITEMS_PER_USER", 10_000, 1, 100_000),
    openRegistration: oneOf("REGISTRATION", production ? "closed" : "open", ["open", "closed"]) === "open",
    appUrl: read(
      "APP_URL",
      "http://localhost:3000",
      "an http(s) URL without query or fragment",
      parsePlainUrl,
    ),
    smtpUrl: read<string | undefined>(
      "SMTP_URL",
      undefined,
      "smtp://USER:PASSWORD@HOST:PORT or smtps://…",
      (value) => (/^smtps?:$/.test(URL.parse(value)?.protocol ?? "") ? value : undefined),
    ),
    emailFrom: read(
      "EMAIL_FROM",
      "Latchkey <latchkey@localhost>",
      "an email address, or NAME <ADDRESS>",
      (value) => (/^[^\r\n<>]*<?[^\s<>@]+@[^\s<>@]+>?$/.test(value) ? value : undefined),
    ),
    logLevel: oneOf("LOG_LEVEL", "info", LOG_LEVELS),
  };
  if (production && !env["SECRET_KEY"]) {
    problems.push("SECRET_KEY must be set in production: 32 bytes or more, e.g. from `openssl rand -hex 32`");
  }
  if (production && !env["PUBLIC_URL"]) {
    problems.push(
      "PUBLIC_URL must be set in production: the origin clients reach it at, such as https://auth.example.com",
    );
  }
  if (production && config.openRegistration && config.smtpUrl === undefined) {
    problems.push(
      "SMTP_URL must be set in production, or REGISTRATION=closed: who registers is sent an email",
    );
  }
  if (problems.length > 0) throw new ConfigError(problems.join("\n"));
  return Object.freeze(config);
}

/** Every variable that `loadConfig` reads. */
export function variableNames(): ReadonlySet<string> {
  const names = new Set<string>();
  loadConfig(new Proxy({}, { get: (_env, name) => void names.add(String(name)) }));
  return names;
}

function parseDatabaseUrl(value: string): DatabaseConfig | undefined {
  if (/^postgres(ql)?:\/\//.test(value))
    return URL.canParse(value) ? { kind: "postgres", url: value } : undefined;
  const file = /^sqlite:(?:\/\/)?(.+)$/.exec(value)?.[1];
  return file === undefined || file === ":memory:" ? undefined : { kind: "sqlite", file: resolve(file) };
}

function parsePlainUrl(value: string): string | undefined {
  const url = URL.parse(value);
  const plain =
    url && /^https?:$/.test(url.protocol) && !url.search && !url.hash && !url.username && !url.password;
  return plain ? url.href.replace(/\/+$/, "") : undefined;
}

function parseList(value: string): string[] {
  return value
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}

function parseProxies(value: string): readonly string[] | undefined {
  const proxies = parseList(value);
  const isProxy = (proxy: string) =>
    ["loopback", "linklocal", "uniquelocal"].includes(proxy) ||
    isIP(proxy) !== 0 ||
    ipaddr.isValidCIDR(proxy);
  return proxies.every(isProxy) ? Object.freeze(proxies) : undefined;
}

function parseOrigins(value: string): readonly string[] | undefined {
  const origins = parseList(value);
  const exact = (origin: string) => /^https?:\/\//.test(origin) && URL.parse(origin)?.origin === origin;
  return origins.every(exact) ? Object.freeze(origins) : undefined;
}
