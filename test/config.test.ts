import { describe, expect, test } from "@jest/globals";
import { ConfigError, loadConfig } from "../src/config.js";

const SECRET = "0123456789abcdef0123456789abcdef";

describe("the configuration", () => {
  test("needs nothing in development", () => {
    const config = loadConfig({});
    expect(config).toEqual({
      production: false,
      database: { kind: "sqlite", file: expect.stringMatching(/\/data\/latchkey\.db$/) },
      host: "localhost",
      port: 4000,
      publicUrl: "http://localhost:4000",
      tokenAudience: "latchkey",
      secretKey: undefined,
      previousSecretKey: undefined,
      algorithm: "ES256",
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
      mailFrom: "Latchkey <latchkey@localhost>",
      corsOrigins: [],
      trustedProxies: [],
      apolloSandbox: true,
      persistedDocuments: undefined,
      logLevel: "info",
    });
    expect(Object.isFrozen(config)).toBe(true);
  });

  test("reads every variable", () => {
    const config = loadConfig({
      NODE_ENV: "production",
      DATABASE_URL: "postgres://user:password@db:5432/latchkey",
      HOST: "0.0.0.0",
      PORT: "8080",
      PUBLIC_URL: "https://auth.example.com/",
      TOKEN_AUDIENCE: "https://api.example.com",
      SECRET_KEY: SECRET,
      ALGORITHM: "EdDSA",
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
      MAIL_FROM: "Example <no-reply@example.com>",
      CORS_ORIGINS: "https://app.example.com, http://localhost:3000",
      TRUST_PROXY: "loopback, 10.0.0.0/8,2001:db8::1",
      PERSISTED_DOCUMENTS: "/etc/latchkey/persisted-documents.json",
      LOG_LEVEL: "warn",
    });
    expect(config).toEqual({
      production: true,
      database: { kind: "postgres", url: "postgres://user:password@db:5432/latchkey" },
      host: "0.0.0.0",
      port: 8080,
      publicUrl: "https://auth.example.com",
      tokenAudience: "https://api.example.com",
      secretKey: SECRET,
      previousSecretKey: SECRET.toUpperCase(),
      algorithm: "EdDSA",
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
      mailFrom: "Example <no-reply@example.com>",
      corsOrigins: ["https://app.example.com", "http://localhost:3000"],
      trustedProxies: ["loopback", "10.0.0.0/8", "2001:db8::1"],
      apolloSandbox: false,
      persistedDocuments: "/etc/latchkey/persisted-documents.json",
      logLevel: "warn",
    });
  });

  test("takes a variable set to nothing as not set", () => {
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
    ["PORT", "65536", "PORT must be a whole number from 0 to 65535"],
    ["PORT", "4e3", "PORT must be a whole number from 0 to 65535"],
    ["PUBLIC_URL", "auth.example.com", "PUBLIC_URL must be an http(s) URL without query or fragment"],
    ["PUBLIC_URL", "https://x.example/?a=b", "PUBLIC_URL must be an http(s) URL without query or fragment"],
    ["TOKEN_AUDIENCE", "two words", "TOKEN_AUDIENCE must be one word without spaces"],
    ["PASSWORD_MIN_LENGTH", "7", "PASSWORD_MIN_LENGTH must be a whole number from 8 to 64"],
    ["SECRET_KEY", "x".repeat(31), "SECRET_KEY must be 32 bytes or more"],
    ["METRICS_TOKEN", "x".repeat(31), "METRICS_TOKEN must be 32 bytes or more"],
    ["ALGORITHM", "RS256", "ALGORITHM must be one of ES256, EdDSA, HS256"],
    ["ACCESS_TOKEN_EXPIRE_MINUTES", "0", "ACCESS_TOKEN_EXPIRE_MINUTES must be a whole number from 1 to 1440"],
    ...["1", "9", "61", "1e1"].map((value) => [
      "REFRESH_GRACE_SECONDS",
      value,
      "REFRESH_GRACE_SECONDS must be 0, or a whole number from 10 to 60",
    ]),
    ...["0", "3651"].map((value) => [
      "AUDIT_RETENTION_DAYS",
      value,
      "AUDIT_RETENTION_DAYS must be a whole number from 1 to 3650",
    ]),
    ["BCRYPT_COST", "9", "BCRYPT_COST must be a whole number from 10 to 15"],
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
    ["REGISTRATION", "yes", "REGISTRATION must be one of open, closed"],
    ["APP_URL", "app.example.com", "APP_URL must be an http(s) URL without query or fragment"],
    ["SMTP_URL", "smtp.example.com", "SMTP_URL must be smtp://USER:PASSWORD@HOST:PORT or smtps://…"],
    ["MAIL_FROM", "nobody", "MAIL_FROM must be an e-mail address, or NAME <ADDRESS>"],
    [
      "TRUST_PROXY",
      "true",
      "TRUST_PROXY must be proxies' addresses or networks such as 10.0.0.0/8, or loopback, linklocal, uniquelocal, separated by commas",
    ],
    ["APOLLO_SANDBOX", "yes", "APOLLO_SANDBOX must be one of true, false"],
    ["LOG_LEVEL", "loud", "LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent"],
  ] as [string, string, string][])("refuses %s=%s in one line without the value", (name, value, message) => {
    expect(() => loadConfig({ [name]: value })).toThrow(new ConfigError(message));
  });

  test.each([
    ["REFRESH_GRACE_SECONDS", ["0", "10", "60"], "refreshGraceSeconds"],
    ["AUDIT_RETENTION_DAYS", ["1", "3650"], "auditRetentionDays"],
  ] as const)("takes %s at its bounds", (name, values, field) => {
    for (const value of values) expect(loadConfig({ [name]: value })[field]).toBe(Number(value));
  });

  test("refuses production without SECRET_KEY", () => {
    expect(() => loadConfig({ NODE_ENV: "production" })).toThrow(
      new ConfigError(
        "SECRET_KEY must be set in production: 32 bytes or more, e.g. from `openssl rand -hex 32`",
      ),
    );
  });

  test("refuses production with open registration but without a mail server", () => {
    expect(() => loadConfig({ NODE_ENV: "production", SECRET_KEY: SECRET, REGISTRATION: "open" })).toThrow(
      new ConfigError(
        "SMTP_URL must be set in production, or REGISTRATION=closed: who registers is sent a mail",
      ),
    );
    expect(loadConfig({ NODE_ENV: "production", SECRET_KEY: SECRET }).openRegistration).toBe(false);
  });
});
