import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { doubtfulVariables } from "../src/config/misspelled-variables.js";
import { ConfigError, loadConfig, readEnvironment, variableNames } from "../src/config.js";

const SECRET = "0123456789abcdef0123456789abcdef";

/** The variables that production requires. */
const PRODUCTION = { NODE_ENV: "production", SECRET_KEY: SECRET, PUBLIC_URL: "https://auth.example.com" };

/** The smallest and the largest valid value of every integer variable. */
const BOUNDS: Record<string, [number, number]> = {
  PORT: [0, 65_535],
  KEY_ANNOUNCE_SECONDS: [60, 86_400],
  ACCESS_TOKEN_EXPIRE_MINUTES: [1, 1440],
  REFRESH_TOKEN_EXPIRE_DAYS: [1, 365],
  SESSION_EXPIRE_DAYS: [1, 3650],
  BCRYPT_COST: [10, 15],
  PASSWORD_MIN_LENGTH: [8, 64],
  AUDIT_RETENTION_DAYS: [1, 3650],
  HSTS_MAX_AGE: [0, 63_072_000],
  SHUTDOWN_DELAY_SECONDS: [0, 60],
  MAX_RESPONSE_BYTES: [65_536, 67_108_864],
  MAX_SESSIONS_PER_USER: [1, 1000],
  MAX_ITEMS_PER_USER: [1, 100_000],
};

/** The problems for which a configuration is rejected; empty if it is accepted. */
function problemsOf(env: NodeJS.ProcessEnv): string[] {
  try {
    loadConfig(env);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.split("\n");
  }
}

describe("the configuration", () => {
  test("needs nothing in development", () => {
    const config = loadConfig({});
    expect(config).toEqual({
      production: false,
      database: { kind: "sqlite", file: expect.stringMatching(/\/data\/latchkey\.db$/) },
      preparedStatements: true,
      host: "localhost",
      port: 4000,
      workers: 1,
      publicUrl: "http://localhost:4000",
      tokenAudience: "latchkey",
      secretKey: undefined,
      previousSecretKey: undefined,
      algorithm: "ES256",
      keyAnnounceSeconds: 60,
      userScopes: ["profile", "items:read", "items:write", "account"],
      adminScopes: ["admin"],
      claims: undefined,
      accessTokenExpireMinutes: 15,
      refreshTokenExpireDays: 14,
      sessionExpireDays: 90,
      refreshGraceSeconds: 10,
      auditRetentionDays: 400,
      introspectionSecret: undefined,
      metricsToken: undefined,
      bcryptCost: 12,
      passwordMinLength: 15,
      openRegistration: true,
      appUrl: "http://localhost:3000",
      smtpUrl: undefined,
      emailFrom: "Latchkey <latchkey@localhost>",
      corsOrigins: [],
      trustedProxies: [],
      hstsMaxAge: 31_536_000,
      hstsIncludeSubdomains: false,
      shutdownDelaySeconds: 0,
      apolloSandbox: true,
      explorer: true,
      introspection: true,
      persistedDocuments: undefined,
      federation: false,
      maxResponseBytes: 2_097_152,
      maxSessionsPerUser: 100,
      maxItemsPerUser: 10_000,
      requireMfa: "none",
      serviceName: "localhost",
      relyingParty: { id: "localhost", origins: ["http://localhost:3000", "http://localhost:4000"] },
      logLevel: "info",
    });
    expect(Object.isFrozen(config)).toBe(true);
  });

  test("reads every variable", () => {
    const config = loadConfig({
      NODE_ENV: "production",
      DATABASE_URL: "postgres://user:password@db:5432/latchkey",
      PREPARED_STATEMENTS: "false",
      HOST: "0.0.0.0",
      PORT: "8080",
      WORKERS: "4",
      PUBLIC_URL: "https://auth.example.com/",
      TOKEN_AUDIENCE: "https://api.example.com",
      SECRET_KEY: SECRET,
      ALGORITHM: "EdDSA",
      KEY_ANNOUNCE_SECONDS: "600",
      USER_SCOPES: "items:read  orders:read items:read",
      ADMIN_SCOPES: "admin orders:write",
      CLAIMS_FILE: "test/support/claims.json",
      PREVIOUS_SECRET_KEY: SECRET.toUpperCase(),
      ACCESS_TOKEN_EXPIRE_MINUTES: "5",
      REFRESH_TOKEN_EXPIRE_DAYS: "7",
      SESSION_EXPIRE_DAYS: "30",
      REFRESH_GRACE_SECONDS: "0",
      AUDIT_RETENTION_DAYS: "30",
      INTROSPECTION_SECRET: `introspect ${SECRET}`,
      METRICS_TOKEN: `metrics ${SECRET}`,
      BCRYPT_COST: "13",
      PASSWORD_MIN_LENGTH: "8",
      REGISTRATION: "open",
      APP_URL: "https://app.example.com/",
      SMTP_URL: "smtps://user:password@smtp.example.com:465",
      EMAIL_FROM: "Example <no-reply@example.com>",
      CORS_ORIGINS: "https://app.example.com, http://localhost:3000",
      TRUST_PROXY: "loopback, 10.0.0.0/8,2001:db8::1",
      HSTS_MAX_AGE: "0",
      HSTS_INCLUDE_SUBDOMAINS: "true",
      SHUTDOWN_DELAY_SECONDS: "60",
      PERSISTED_DOCUMENTS: "/etc/latchkey/persisted-documents.json",
      // Not with PERSISTED_DOCUMENTS.
      FEDERATION: "off",
      MAX_RESPONSE_BYTES: "1000000",
      MAX_SESSIONS_PER_USER: "5",
      MAX_ITEMS_PER_USER: "50",
      REQUIRE_MFA: "admins",
      SERVICE_NAME: "Example & Söhne",
      WEBAUTHN_RP_ID: "example.com",
      WEBAUTHN_ORIGINS: "https://app.example.com, https://admin.example.com:8443",
      LOG_LEVEL: "warn",
    });
    expect(config).toEqual({
      production: true,
      database: { kind: "postgres", url: "postgres://user:password@db:5432/latchkey" },
      preparedStatements: false,
      host: "0.0.0.0",
      port: 8080,
      workers: 4,
      publicUrl: "https://auth.example.com",
      tokenAudience: "https://api.example.com",
      secretKey: SECRET,
      previousSecretKey: SECRET.toUpperCase(),
      algorithm: "EdDSA",
      keyAnnounceSeconds: 600,
      userScopes: ["items:read", "orders:read"],
      adminScopes: ["admin", "orders:write"],
      claims: {
        kind: "object",
        members: [["role", { kind: "field", field: "defaultRole", lowerCase: true }]],
      },
      accessTokenExpireMinutes: 5,
      refreshTokenExpireDays: 7,
      sessionExpireDays: 30,
      refreshGraceSeconds: 0,
      auditRetentionDays: 30,
      introspectionSecret: `introspect ${SECRET}`,
      metricsToken: `metrics ${SECRET}`,
      bcryptCost: 13,
      passwordMinLength: 8,
      openRegistration: true,
      appUrl: "https://app.example.com",
      smtpUrl: "smtps://user:password@smtp.example.com:465",
      emailFrom: "Example <no-reply@example.com>",
      corsOrigins: ["https://app.example.com", "http://localhost:3000"],
      trustedProxies: ["loopback", "10.0.0.0/8", "2001:db8::1"],
      hstsMaxAge: 0,
      hstsIncludeSubdomains: true,
      shutdownDelaySeconds: 60,
      apolloSandbox: false,
      explorer: false,
      introspection: false,
      persistedDocuments: "/etc/latchkey/persisted-documents.json",
      federation: false,
      maxResponseBytes: 1_000_000,
      maxSessionsPerUser: 5,
      maxItemsPerUser: 50,
      requireMfa: "admins",
      serviceName: "Example & Söhne",
      relyingParty: {
        id: "example.com",
        origins: ["https://app.example.com", "https://admin.example.com:8443"],
      },
      logLevel: "warn",
    });
  });

  test("delays the shutdown in production, so that proxies notice it", () => {
    const production = {
      NODE_ENV: "production",
      SECRET_KEY: SECRET,
      REGISTRATION: "closed",
      PUBLIC_URL: "https://a.example",
    };
    expect(loadConfig(production).shutdownDelaySeconds).toBe(5);
    expect(loadConfig({ ...production, SHUTDOWN_DELAY_SECONDS: "0" }).shutdownDelaySeconds).toBe(0);
    expect(loadConfig({ HSTS_MAX_AGE: "63072000" }).hstsMaxAge).toBe(63_072_000);
  });

  test("treats an empty variable as unset", () => {
    expect(loadConfig({ PORT: "", SECRET_KEY: "" })).toEqual(loadConfig({}));
  });

  test.each([
    ["NODE_ENV", "staging", "NODE_ENV must be one of development, production, test"],
    [
      "DATABASE_URL",
      "mysql://h/d",
      "DATABASE_URL must be sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE",
    ],
    [
      "DATABASE_URL",
      "sqlite::memory:",
      "DATABASE_URL must be sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE",
    ],
    ["HOST", "http://localhost", "HOST must be a host name or address"],
    ["PORT", "4e3", "PORT must be a whole number from 0 to 65535"],
    ["PUBLIC_URL", "auth.example.com", "PUBLIC_URL must be an http(s) URL without query or fragment"],
    ["PUBLIC_URL", "https://x.example/?a=b", "PUBLIC_URL must be an http(s) URL without query or fragment"],
    ["TOKEN_AUDIENCE", "two words", "TOKEN_AUDIENCE must be one word without spaces"],
    ["SECRET_KEY", "x".repeat(31), "SECRET_KEY must be 32 bytes or more"],
    ["METRICS_TOKEN", "x".repeat(31), "METRICS_TOKEN must be 32 bytes or more"],
    [
      "USER_SCOPES",
      'a"b',
      "USER_SCOPES must be scopes separated by spaces, such as items:read items:write, of at most 1000 characters",
    ],
    [
      "ADMIN_SCOPES",
      " ",
      "ADMIN_SCOPES must be scopes separated by spaces, such as items:read items:write, of at most 1000 characters",
    ],
    ["CLAIMS_FILE", "no-such-file.json", "CLAIMS_FILE must be a file that can be read"],
    ["ALGORITHM", "RS256", "ALGORITHM must be one of ES256, EdDSA, HS256"],
    ["HSTS_INCLUDE_SUBDOMAINS", "yes", "HSTS_INCLUDE_SUBDOMAINS must be one of true, false"],
    [
      "CORS_ORIGINS",
      "*",
      "CORS_ORIGINS must be origins such as https://app.example.com, separated by commas",
    ],
    [
      "CORS_ORIGINS",
      "https://a.example/",
      "CORS_ORIGINS must be origins such as https://app.example.com, separated by commas",
    ],
    [
      "CORS_ORIGINS",
      "https://*.example.com",
      "CORS_ORIGINS must be origins such as https://app.example.com, separated by commas",
    ],
    ["REGISTRATION", "yes", "REGISTRATION must be one of open, closed"],
    ["APP_URL", "app.example.com", "APP_URL must be an http(s) URL without query or fragment"],
    ["SMTP_URL", "smtp.example.com", "SMTP_URL must be smtp://USER:PASSWORD@HOST:PORT or smtps://…"],
    ...[
      "nobody",
      "a@b.example, c@d.example",
      "Name a@b.example",
      "Name <a@b.example> more",
      "Name <a@b.example",
    ].map((value) => ["EMAIL_FROM", value, "EMAIL_FROM must be one email address, or NAME <ADDRESS>"]),
    [
      "TRUST_PROXY",
      "true",
      "TRUST_PROXY must be proxies' addresses or networks such as 10.0.0.0/8, or loopback, linklocal, uniquelocal, separated by commas",
    ],
    ["REQUIRE_MFA", "users", "REQUIRE_MFA must be one of none, admins, all"],
    ["SERVICE_NAME", "x".repeat(65), "SERVICE_NAME must be 1 to 64 bytes of printable text"],
    ["SERVICE_NAME", "two\nlines", "SERVICE_NAME must be 1 to 64 bytes of printable text"],
    ...["https://example.com", "Example.com", "example.com.", "192.0.2.1", "[::1]", "a..b", "0x7f.1"].map(
      (value) => ["WEBAUTHN_RP_ID", value, "WEBAUTHN_RP_ID must be a host name such as example.com"],
    ),
    ...["http://app.example.com", "https://app.example.com/", "app.example.com", "*", ","].map((value) => [
      "WEBAUTHN_ORIGINS",
      value,
      "WEBAUTHN_ORIGINS must be https origins such as https://app.example.com, or http://localhost:3000, separated by commas",
    ]),
    ["EXPLORER", "true", "EXPLORER must be one of on, off"],
    ["APOLLO_SANDBOX", "yes", "APOLLO_SANDBOX must be one of true, false"],
    ["LOG_LEVEL", "loud", "LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent"],
  ] as [string, string, string][])("refuses %s=%s in one line without the value", (name, value, message) => {
    expect(() => loadConfig({ [name]: value })).toThrow(new ConfigError(message));
  });

  test("has bounds for every integer variable", () => {
    const nonsense = Object.fromEntries([...variableNames()].map((name) => [name, "nonsense"]));
    const numbers = problemsOf(nonsense).filter((problem) => problem.includes("a whole number"));
    expect(numbers.map((problem) => problem.split(" ")[0]).sort()).toEqual(Object.keys(BOUNDS).sort());
  });

  test.each(Object.entries(BOUNDS))("accepts %s only within its bounds", (name, [min, max]) => {
    const outside = [`${name} must be a whole number from ${min} to ${max}`];
    const problems = (value: number | string) => problemsOf({ [name]: String(value) });
    expect([min - 1, min, max, max + 1].map(problems)).toEqual([outside, [], [], outside]);
    expect([`${min}.5`, `${min}e0`, ` ${min}`, `+${min}`, "0x10", "Infinity"].map(problems)).toEqual(
      Array(6).fill(outside),
    );
  });

  test("accepts a number of workers, or one for each core", () => {
    const outside = ["WORKERS must be auto, or a number from 1 to 64"];
    expect(loadConfig({ WORKERS: "auto" }).workers).toBe(availableParallelism());
    expect(["1", "64", "auto"].map((value) => problemsOf({ WORKERS: value }))).toEqual([[], [], []]);
    expect(["0", "65", "AUTO", "1.5", "1e1"].map((value) => problemsOf({ WORKERS: value }))).toEqual(
      Array(5).fill(outside),
    );
  });

  test("accepts a grace period of 0, or one that is longer than clocks may differ", () => {
    const problems = (value: string) => problemsOf({ REFRESH_GRACE_SECONDS: value });
    const outside = ["REFRESH_GRACE_SECONDS must be 0, or a number from 10 to 60"];
    expect(["0", "10", "60"].map(problems)).toEqual([[], [], []]);
    expect(["1", "9", "61", "1e1"].map(problems)).toEqual(Array(4).fill(outside));
  });

  test.each(["SECRET_KEY", "PUBLIC_URL"])("refuses production without %s", (name) => {
    const problem = {
      SECRET_KEY: "32 bytes or more, for example from `openssl rand -hex 32`",
      PUBLIC_URL: "the URL that clients reach Latchkey at, such as https://auth.example.com",
    }[name];
    for (const unset of [undefined, ""]) {
      expect(problemsOf({ ...PRODUCTION, [name]: unset })).toEqual([
        `${name} must be set in production: ${problem}`,
      ]);
    }
    expect(problemsOf({ ...PRODUCTION, [name]: "wrong" })).toEqual([
      expect.stringMatching(new RegExp(`^${name} must be (?!set)`)),
    ]);
  });

  test("refuses open registration in production without a mail server", () => {
    expect(problemsOf({ ...PRODUCTION, REGISTRATION: "open" })).toEqual([
      "SMTP_URL must be set in production: open registration sends emails. Set it, or REGISTRATION=closed",
    ]);
    expect(loadConfig(PRODUCTION).openRegistration).toBe(false);
  });

  test("refuses to send emails in production without a sender, or with links to localhost", () => {
    const sending = { ...PRODUCTION, SMTP_URL: "smtp://smtp.example.com" };
    expect(problemsOf(sending)).toEqual([
      "APP_URL must be set in production: links in emails start with it, such as https://app.example.com",
      "EMAIL_FROM must be set in production: the sender of emails, such as Example <no-reply@example.com>",
    ]);
    expect(problemsOf({ ...sending, NODE_ENV: "development" })).toEqual([]);
  });

  test.each([
    [undefined, "localhost", "http://localhost:3000"],
    ["https://app.example.com/welcome", "app.example.com", "https://app.example.com"],
    ["http://app.localhost:3000", "app.localhost", "http://app.localhost:3000"],
  ])("takes the relying party of passkeys from APP_URL=%s", (appUrl, id, origin) => {
    expect(loadConfig({ APP_URL: appUrl, EXPLORER: "off" }).relyingParty).toEqual({ id, origins: [origin] });
  });

  test.each([
    ["https://auth.example.com/path", ["https://app.example.com", "https://auth.example.com"]],
    ["https://app.example.com", ["https://app.example.com"]],
    ["https://auth.example.org", ["https://app.example.com"]],
    ["http://auth.example.com", ["https://app.example.com"]],
  ])("accepts passkeys in the explorer at %s, if the relying party covers it", (publicUrl, origins) => {
    const env = { APP_URL: "https://app.example.com", WEBAUTHN_RP_ID: "example.com", PUBLIC_URL: publicUrl };
    expect(loadConfig({ ...env, EXPLORER: "on" }).relyingParty?.origins).toEqual(origins);
    expect(loadConfig({ ...env, EXPLORER: "off" }).relyingParty?.origins).toEqual([
      "https://app.example.com",
    ]);
    const configured = { ...env, EXPLORER: "on", WEBAUTHN_ORIGINS: "https://www.example.com" };
    expect(loadConfig(configured).relyingParty?.origins).toEqual(["https://www.example.com"]);
  });

  test.each([
    [{}, { explorer: true, apolloSandbox: true, introspection: true }],
    [{ EXPLORER: "off" }, { explorer: false, apolloSandbox: true, introspection: true }],
    [{ APOLLO_SANDBOX: "false" }, { explorer: true, apolloSandbox: false, introspection: true }],
    [
      { EXPLORER: "off", APOLLO_SANDBOX: "false" },
      { explorer: false, apolloSandbox: false, introspection: false },
    ],
    [PRODUCTION, { explorer: false, apolloSandbox: false, introspection: false }],
    [
      { ...PRODUCTION, EXPLORER: "on" },
      { explorer: true, apolloSandbox: false, introspection: true },
    ],
    [
      { ...PRODUCTION, APOLLO_SANDBOX: "true" },
      { explorer: false, apolloSandbox: true, introspection: true },
    ],
    [{ PERSISTED_DOCUMENTS: "a.json" }, { explorer: false, apolloSandbox: true, introspection: true }],
  ])("lets clients read the schema where a page needs it: %j", (env, pages) => {
    expect(loadConfig(env)).toMatchObject(pages);
  });

  test("refuses the explorer where only persisted documents are run", () => {
    expect(problemsOf({ EXPLORER: "on", PERSISTED_DOCUMENTS: "a.json" })).toEqual([
      "EXPLORER must be off with PERSISTED_DOCUMENTS: the documents that the explorer sends are not persisted",
    ]);
  });

  test("is a subgraph with FEDERATION=on, unless only persisted documents are run", () => {
    expect(loadConfig({ FEDERATION: "on" })).toMatchObject({ federation: true });
    expect(problemsOf({ FEDERATION: "on", PERSISTED_DOCUMENTS: "a.json" })).toEqual([
      "FEDERATION must be off with PERSISTED_DOCUMENTS: a gateway sends documents that it makes itself",
    ]);
  });

  test.each(["https://192.0.2.1", "https://[::1]", "http://127.0.0.1:3000", "http://app.example.com"])(
    "has no passkeys with APP_URL=%s, unless they are configured",
    (appUrl) => {
      expect(loadConfig({ APP_URL: appUrl }).relyingParty).toBeUndefined();
      const configured = { WEBAUTHN_RP_ID: "example.com", WEBAUTHN_ORIGINS: "https://example.com" };
      expect(loadConfig({ APP_URL: appUrl, ...configured }).relyingParty).toEqual({
        id: "example.com",
        origins: ["https://example.com"],
      });
    },
  );

  test.each<[rpId: string | undefined, origins: string | undefined]>([
    ["example.org", undefined],
    ["ample.com", undefined],
    ["com", undefined],
    ["app.example.com", "https://example.com"],
    [undefined, "https://other.example.com"],
    ["example.com", "https://app.example.com,https://192.0.2.1"],
    ["example.com", "http://localhost:3000"],
  ])("refuses WEBAUTHN_RP_ID=%s for WEBAUTHN_ORIGINS=%s", (rpId, origins) => {
    const env = { APP_URL: "https://app.example.com", WEBAUTHN_RP_ID: rpId, WEBAUTHN_ORIGINS: origins };
    expect(problemsOf(env)).toEqual([
      "WEBAUTHN_RP_ID must be the host name of every origin in WEBAUTHN_ORIGINS, or a parent domain of it. Both default to APP_URL's",
    ]);
  });

  test("says so when the .env file cannot be read", () => {
    const before = process.cwd();
    const directory = mkdtempSync(join(tmpdir(), "latchkey-"));
    mkdirSync(join(directory, ".env"));
    process.chdir(directory);
    try {
      expect(readEnvironment).toThrow(new ConfigError("The file .env cannot be read: check its permissions"));
    } finally {
      process.chdir(before);
      rmSync(directory, { recursive: true });
    }
  });
});

describe("a misspelled variable", () => {
  test.each([
    ["CORS_ORIGIN", "CORS_ORIGINS"],
    ["CORS_ORIGNS", "CORS_ORIGINS"],
    ["CORS_ORIGIN_S", "CORS_ORIGINS"],
    ["CORSORIGINS", "CORS_ORIGINS"],
    ["cors_origins", "CORS_ORIGINS"],
    ["CORS-ORIGINS", "CORS_ORIGINS"],
    ["DATABASE_URLS", "DATABASE_URL"],
    ["DATABASE_URI", "DATABASE_URL"],
    ["TRUSTED_PROXY", "TRUST_PROXY"],
    ["PASSWORD_MIN_LENGHT", "PASSWORD_MIN_LENGTH"],
    ["ACCESS_TOKEN_EXPIRES_MINUTE", "ACCESS_TOKEN_EXPIRE_MINUTES"],
    ["METRIC_TOKENS", "METRICS_TOKEN"],
    ["SMTP_URI", "SMTP_URL"],
    ["LOGLEVEL", "LOG_LEVEL"],
    ["LOG_LEVLE", "LOG_LEVEL"],
    ["NODE_ENVS", "NODE_ENV"],
    ["PORTS", "PORT"],
    ["host", "HOST"],
    ["APP_URLS", "APP_URL"],
  ])("%s is reported without its value", (name, meant) => {
    expect(doubtfulVariables({ [name]: "CANARY" })).toEqual([
      `${name} is set, but Latchkey does not read it: did you mean ${meant}?`,
    ]);
  });

  test("is neither a correct name nor an empty variable", () => {
    const ours = Object.fromEntries([...variableNames()].map((name) => [name, "x"]));
    expect(doubtfulVariables({ ...ours, CORS_ORIGIN: "" })).toEqual([]);
  });

  test("is not a variable of another program", () => {
    const names = `PATH HOME HOSTNAME HOSTTYPE POST COST PWD OLDPWD SHELL SHLVL USER LOGNAME LANG LC_ALL TERM TZ EDITOR
      NODE NODE_OPTIONS NODE_PATH NODE_EXTRA_CA_CERTS NPM_CONFIG_LOGLEVEL npm_config_user_agent npm_lifecycle_event
      INIT_CWD COLOR FORCE_COLOR NO_COLOR DEBUG CI API_URL APP_ENV APP_KEY BASE_URL WEB_URL SITE_URL REDIS_URL
      MAIL_HOST MAIL_PORT SMTP_HOST SMTP_PORT SMTP_FROM HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy no_proxy PROXY
      PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE DATABASE_HOST DATABASE_PORT DATABASE_NAME POSTGRES_PASSWORD
      AWS_SECRET_ACCESS_KEY AWS_REGION SECRET SECRET_ID API_TOKEN ACCESS_TOKEN GITHUB_TOKEN SESSION_SECRET
      KUBERNETES_SERVICE_HOST KUBERNETES_PORT XDG_SESSION_ID XDG_RUNTIME_DIR SSH_AUTH_SOCK DBUS_SESSION_BUS_ADDRESS
      INVOCATION_ID JOURNAL_STREAM LISTEN_FDS NOTIFY_SOCKET WATCHDOG_USEC DYNO APOLLO_KEY APOLLO_GRAPH_REF`;
    const env = Object.fromEntries(names.split(/\s+/).map((name) => [name, "x"]));
    expect(doubtfulVariables(env)).toEqual([]);
  });
});
