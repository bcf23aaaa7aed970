import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type App, makeApp } from "../../support/app.js";
import { closingAfterEach } from "../../support/closing.js";
import { raw } from "../../support/raw.js";

const start = closingAfterEach();
const PRODUCTION = { NODE_ENV: "production" };

describe("GET /explorer", () => {
  let app: App;
  let page: Awaited<ReturnType<App["request"]>>;
  let assets: string[];
  beforeAll(async () => {
    app = await makeApp();
    page = await app.request("/explorer");
    assets = [...page.text.matchAll(/(?:href|src)="(explorer\/assets\/[^"]+)"/g)].map(
      ([, path]) => `/${path}`,
    );
  });
  afterAll(() => app.close());

  test("is a page that runs only its own scripts, and talks only to this server", () => {
    expect(page.status).toBe(200);
    expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(page.headers.get("cache-control")).toBe("no-store");
    expect(page.headers.get("content-security-policy")?.split(";")).toEqual([
      "default-src 'none'",
      "script-src 'self'",
      "worker-src 'self'",
      "connect-src 'self'",
      "style-src 'self' 'unsafe-inline'",
      "font-src data:",
      "img-src 'self' data:",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ]);
    expect(page.text).not.toMatch(/<script(?![^>]* src=)|<style| style=| on[a-z]+=|https?:/);
  });

  test.each([
    ["js", "text/javascript; charset=utf-8"],
    ["css", "text/css; charset=utf-8"],
    ["svg", "image/svg+xml"],
  ])(
    "serves assets of type %s, compressed for those who accept it, to keep for ever",
    async (ending, type) => {
      const paths = assets.filter((path) => path.endsWith(`.${ending}`));
      expect(paths.length).toBeGreaterThan(0);
      for (const path of paths) {
        expect(path).toMatch(/-[0-9a-f]{16}\.\w+$/);
        const compressed = await app.request(path, { headers: { "accept-encoding": "gzip" } });
        const plain = await app.request(path, { headers: { "accept-encoding": "identity" } });
        expect([compressed.status, plain.status]).toEqual([200, 200]);
        expect(compressed.headers.get("content-encoding")).toBe("gzip");
        expect(plain.headers.get("content-encoding")).toBeNull();
        expect(plain.text === compressed.text).toBe(true);
        for (const { headers } of [compressed, plain]) {
          expect(headers.get("content-type")).toBe(type);
          expect(headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
          expect(headers.get("vary")).toBe("accept-encoding");
          expect(headers.get("x-content-type-options")).toBe("nosniff");
          expect(headers.get("content-security-policy")).toBe("default-src 'none';frame-ancestors 'none'");
        }
      }
    },
  );

  test("answers HEAD, and no other method", async () => {
    for (const path of ["/explorer", assets[0]!]) {
      const head = await app.request(path, { method: "HEAD" });
      expect([head.status, head.text]).toEqual([200, ""]);
      for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
        const other = await app.request(path, { method });
        expect([other.status, other.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
      }
    }
  });

  test.each([
    "/explorer/assets/",
    "/explorer/assets/.",
    "/explorer/assets/page.js",
    "/explorer/assets/../index.html",
    "/explorer/assets/..%2findex.html",
    "/explorer/assets/..%2f..%2f..%2fpackage.json",
    "/explorer/assets/..%5c..%5cpackage.json",
    "/explorer/assets/%2e%2e%2f%2e%2e%2fmain.js",
    "/explorer/assets/%2fetc%2fpasswd",
    "/explorer/assets/__proto__",
    "/explorer/index.html",
    "/explorer/assets//etc/passwd",
  ])("serves no other file: %s", async (path) => {
    const answer = await raw(app.address, [
      `GET ${path} HTTP/1.1`,
      "host: localhost",
      "connection: close",
      "",
      "",
    ]);
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
    expect(answer.split("\r\n\r\n")[1]).toBe('{"error":"There is nothing at this path."}');
  });

  test("a document in the address is not logged", async () => {
    const logged = app.seen.length;
    await app.request(
      `/explorer?query=${encodeURIComponent('mutation { verifyEmail(token: "t0p-s3cret") }')}`,
    );
    const lines = app.seen.slice(logged).join("\n");
    expect(lines).toContain('"path":"/explorer"');
    expect(lines).not.toContain("t0p-s3cret");
  });
});

describe("where the explorer is", () => {
  test.each([
    ["development", {}, 200],
    ["development with EXPLORER=off", { EXPLORER: "off" }, 404],
    [
      "development with only persisted documents",
      { PERSISTED_DOCUMENTS: "test/gql/persisted-documents.json" },
      404,
    ],
    ["production", PRODUCTION, 404],
    ["production with Apollo Sandbox", { ...PRODUCTION, APOLLO_SANDBOX: "true" }, 404],
    ["production with EXPLORER=on", { ...PRODUCTION, EXPLORER: "on" }, 200],
  ])("%s: %j (row 62)", async (_where, env, status) => {
    const app = await start({ env });
    expect((await app.request("/explorer")).status).toBe(status);
    if (status === 404) expect((await app.request("/explorer/assets/x")).status).toBe(404);
  });

  test.each([
    ["neither", {}, false],
    ["the explorer", { EXPLORER: "on" }, true],
    ["Apollo Sandbox", { APOLLO_SANDBOX: "true" }, true],
  ])("production lets clients read the schema for %s", async (_page, env, allowed) => {
    const app = await start({ env: { ...PRODUCTION, ...env } });
    const { data, errors } = await app.post({ query: "{ __schema { queryType { name } } }" });
    expect(data ?? null).toEqual(allowed ? { __schema: { queryType: { name: "Query" } } } : null);
    if (!allowed) expect(errors?.[0]?.extensions?.["code"]).toBe("GRAPHQL_VALIDATION_FAILED");
  });
});
