import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type App, makeApp } from "../support/app.js";
import { closingAfterEach } from "../support/closing.js";
import { raw } from "../support/raw.js";

const start = closingAfterEach();
const ENV = {
  INTROSPECTION_SECRET: "a secret of the tests, 32 bytes or more",
  METRICS_TOKEN: "another secret of the tests, 32 bytes or more",
  CORS_ORIGINS: "https://app.example.com",
};
const PATHS = [
  "/",
  "/graphql",
  "/token",
  "/revoke",
  "/introspect",
  "/.well-known/jwks.json",
  "/.well-known/oauth-authorization-server",
  "/.well-known/openid-configuration",
  "/healthz",
  "/readyz",
  "/metrics",
  "/emails",
  "/explorer",
  "/schema.graphql",
  "/forward-auth",
  "/nothing",
];
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

/** Names and versions of the software that the server is made of. */
const MADE_OF = new RegExp(
  [
    "fastify",
    "apollo",
    "node\\.?js",
    "express",
    "pino",
    "jose",
    "\\bv?\\d+\\.\\d+\\.\\d+\\b",
    process.version,
  ].join("|"),
  "i",
);
/** What looks like a version but is not: the version of HTTP, addresses. */
const NOT_OURS = /HTTP\/1\.1|127\.0\.0\.1|0\.0\.4/g;

describe.each([
  ["development", {}],
  ["production", { NODE_ENV: "production" }],
])("every answer in %s", (_environment, env) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ env: { ...ENV, ...env } });
  });
  afterAll(() => app.close());

  const cases = PATHS.flatMap((path) => METHODS.map((method) => [method, path] as const));
  test.each(cases)("to %s %s has security headers and reveals no version (row 62)", async (method, path) => {
    const answer = await raw(app.address, [
      `${method} ${path} HTTP/1.1`,
      "host: localhost",
      "connection: close",
      "",
      "",
    ]);
    const [head = "", body = ""] = answer.split("\r\n\r\n", 2);
    const headers = new Headers(
      head
        .split("\r\n")
        .slice(1)
        .map((line) => line.split(/: (.*)/s, 2) as [string, string]),
    );
    const [, status] = head.split(" ");
    expect(Number(status)).toBeLessThan(500);
    if (!["GET", "HEAD"].includes(method)) expect(Number(status)).toBeGreaterThanOrEqual(400);
    expect(Object.fromEntries(headers)).toMatchObject({
      "content-security-policy": expect.stringMatching(
        /^default-src 'none'[^*]*frame-ancestors 'none'[^*]*$/,
      ),
      "x-content-type-options": "nosniff",
      "x-frame-options": "SAMEORIGIN",
      "referrer-policy": "no-referrer",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
      "origin-agent-cluster": "?1",
      "x-dns-prefetch-control": "off",
      "x-download-options": "noopen",
      "x-permitted-cross-domain-policies": "none",
      "x-xss-protection": "0",
      "cache-control": expect.stringMatching(/^no-store$|^public, max-age=\d+$/),
      "x-request-id": expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    // PUBLIC_URL is plain HTTP.
    expect(headers.has("strict-transport-security")).toBe(false);
    expect(headers.has("server") || headers.has("x-powered-by")).toBe(false);
    expect(head.replace(NOT_OURS, "")).not.toMatch(/apollo-(?!require)|fastify|node/i);
    if (!body.includes("<!doctype html") && !body.includes("<!DOCTYPE html")) {
      expect(body.replace(NOT_OURS, "")).not.toMatch(MADE_OF);
    }
  });

  test("to a malformed path has the same headers", async () => {
    const { status, headers } = await app.request("/%zz");
    expect(status).toBe(400);
    expect(Object.fromEntries(headers)).toMatchObject({
      "content-security-policy": "default-src 'none';frame-ancestors 'none'",
      "x-content-type-options": "nosniff",
      "x-frame-options": "SAMEORIGIN",
      "referrer-policy": "no-referrer",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
      "cache-control": "no-store",
      "x-request-id": expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });

  // Node writes these to the socket before there is a request.
  test.each([
    ["400", "NONSENSE\r\n\r\n"],
    ["400", "GET /healthz HTTP/1.1\r\n\r\n"],
    ["417", "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nexpect: nonsense\r\n\r\n"],
    ["431", `GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: ${"a".repeat(17_000)}\r\n\r\n`],
  ])("with status %s from the HTTP parser reveals no version", async (status, request) => {
    const answer = await raw(app.address, [request]);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer.replace(NOT_OURS, "")).not.toMatch(MADE_OF);
    expect(answer).not.toMatch(/^(server|x-powered-by):/im);
  });
});

test.each([
  ["https://auth.example.com", {}, "max-age=31536000"],
  ["https://auth.example.com", { HSTS_MAX_AGE: "300" }, "max-age=300"],
  ["https://auth.example.com", { HSTS_INCLUDE_SUBDOMAINS: "true" }, "max-age=31536000; includeSubDomains"],
  ["https://auth.example.com", { HSTS_MAX_AGE: "0", HSTS_INCLUDE_SUBDOMAINS: "true" }, null],
  ["http://auth.example.com", { HSTS_MAX_AGE: "300" }, null],
])("answers at %s with %j have Strict-Transport-Security: %s", async (PUBLIC_URL, env, expected) => {
  const app = await start({ env: { PUBLIC_URL, ...env } });
  for (const path of ["/graphql", "/healthz", "/nothing", "/%zz"]) {
    const { headers } = await app.request(path);
    expect(headers.get("strict-transport-security")).toBe(expected);
  }
});

describe("the pages of development", () => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp();
  });
  afterAll(() => app.close());

  test("the landing page runs only scripts with its nonce and Apollo's, and has a new nonce on each load", async () => {
    const nonces = new Set<string>();
    for (let n = 0; n < 3; n++) {
      const { headers, text } = await app.request("/graphql", { headers: { accept: "text/html" } });
      const policy = headers.get("content-security-policy")!;
      const nonce = /'nonce-([0-9a-f]{64})'/.exec(policy)![1]!;
      nonces.add(nonce);
      expect(policy.split(";")).toEqual([
        "default-src 'none'",
        `script-src 'nonce-${nonce}' https://embeddable-sandbox.cdn.apollographql.com`,
        `style-src 'nonce-${nonce}' https://embeddable-sandbox.cdn.apollographql.com https://fonts.googleapis.com`,
        "font-src https://fonts.gstatic.com",
        "img-src https://apollo-server-landing-page.cdn.apollographql.com",
        "manifest-src https://apollo-server-landing-page.cdn.apollographql.com",
        "frame-src https://sandbox.embed.apollographql.com",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
      ]);
      // The policy allows every script and style of the page.
      const tags = [...text.matchAll(/<(?:script|style)\b[^>]*>/g)].map(([tag]) => tag);
      expect(tags.length).toBeGreaterThanOrEqual(4);
      for (const tag of tags) expect(tag).toMatch(new RegExp(`nonce="?${nonce}"?[ >]`));
      for (const [, source] of text.matchAll(/<script[^>]* src="([^"]*)"/g)) {
        expect(new URL(source!).origin).toBe("https://embeddable-sandbox.cdn.apollographql.com");
      }
      expect(text).not.toMatch(/ on[a-z]+=| style="/);
    }
    expect(nonces.size).toBe(3);
  });

  test("only the landing page allows scripts", async () => {
    const { headers } = await app.request("/emails");
    expect(headers.get("content-security-policy")).toBe(
      "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    const error = await app.request("/graphql", { headers: { accept: "application/json" } });
    expect(error.headers.get("content-security-policy")).toBe("default-src 'none';frame-ancestors 'none'");
  });
});
