import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type App, makeApp } from "../support/app.js";
import { INTROSPECTION_SECRET } from "../support/tokens.js";

const SANDBOX_ORIGINS = ["https://studio.apollographql.com", "https://sandbox.embed.apollographql.com"];
const APP_ORIGIN = "https://app.example.com";

const preflight = (origin: string): RequestInit => ({
  method: "OPTIONS",
  headers: {
    origin,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,apollographql-client-name",
  },
});

describe("CORS", () => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ env: { CORS_ORIGINS: APP_ORIGIN, INTROSPECTION_SECRET } });
  });
  afterAll(() => app.close());

  test.each([...SANDBOX_ORIGINS, APP_ORIGIN])("answers the preflight from %s", async (origin) => {
    const { status, headers } = await app.request("/graphql", preflight(origin));
    expect(status).toBe(204);
    expect(headers.get("access-control-allow-origin")).toBe(origin);
    expect(headers.get("access-control-allow-methods")).toBe("GET, POST");
    expect(headers.get("access-control-allow-headers")).toBe(
      "authorization,content-type,apollographql-client-name",
    );
    const answer = await app.post({ query: "{ __typename }" }, { headers: { origin } });
    expect(answer.headers.get("access-control-allow-origin")).toBe(origin);
    // A page can read when to try again.
    expect(answer.headers.get("access-control-expose-headers")).toBe(
      "WWW-Authenticate, Retry-After, X-Request-Id",
    );
    // Apollo Sandbox keeps no session in a cookie.
    for (const each of [headers, answer.headers])
      expect(each.get("access-control-allow-credentials")).toBe(origin === APP_ORIGIN ? "true" : null);
  });

  test("allows no other origin", async () => {
    const { headers } = await app.request("/graphql", preflight("https://evil.example"));
    expect(headers.get("access-control-allow-origin")).toBeNull();
    expect(headers.get("access-control-allow-credentials")).toBeNull();
  });

  test.each([
    "/token",
    "/revoke",
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
  ])("lets a page of an allowed origin use %s", async (path) => {
    const { status, headers } = await app.request(path, preflight(APP_ORIGIN));
    expect([status, headers.get("access-control-allow-origin")]).toEqual([204, APP_ORIGIN]);
  });

  test.each([
    "/introspect",
    "/forward-auth",
    "/healthz",
    "/readyz",
    "/metrics",
    "/emails",
    "/explorer",
    "/schema.graphql",
    "/",
  ])("does not apply to %s, which machines and operators use", async (path) => {
    const asked = await app.request(path, preflight(APP_ORIGIN));
    expect(asked.status).toBe(path === "/forward-auth" ? 401 : 405);
    for (const { headers } of [asked, await app.request(path, { headers: { origin: APP_ORIGIN } })])
      expect([...headers.keys()].filter((name) => name.startsWith("access-control-"))).toEqual([]);
  });
});
