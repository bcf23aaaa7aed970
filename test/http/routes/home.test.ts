import { createHash } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { closingAfterEach } from "../../support/closing.js";

const start = closingAfterEach();

describe("GET /", () => {
  const pathsOn = (page: string) =>
    [...page.matchAll(/<a class="card" href="([^"]*)">/g)].map(([, path]) => path);

  test("in development is a page that says what this is, and leads to the pages that are there", async () => {
    const app = await start();
    const { status, headers, text } = await app.request("/");
    expect([status, headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
    expect(text).toContain("<h1>Latchkey</h1>\n<p>A GraphQL API for authentication");
    const paths = pathsOn(text);
    expect(paths).toEqual(["explorer", "graphql", "emails", "schema.graphql"]);
    for (const path of paths) {
      const answer = await app.request(`/${path}`, { headers: { accept: "text/html" } });
      expect([path, answer.status]).toEqual([path, 200]);
    }
  });

  test.each<[NodeJS.ProcessEnv, string[]]>([
    [{ APOLLO_SANDBOX: "false" }, ["explorer", "emails", "schema.graphql"]],
    [{ EXPLORER: "off" }, ["graphql", "emails", "schema.graphql"]],
    [{ APOLLO_SANDBOX: "false", EXPLORER: "off" }, ["emails"]],
    [{ SMTP_URL: "smtp://127.0.0.1:1" }, ["explorer", "graphql", "schema.graphql"]],
  ])("with %j does not lead to what is off", async (env, paths) => {
    const app = await start({ env });
    expect(pathsOn((await app.request("/")).text)).toEqual(paths);
  });

  test("allows its own style, and nothing else", async () => {
    const app = await start();
    const { headers, text } = await app.request("/", {
      headers: { origin: "https://studio.apollographql.com" },
    });
    const style = /<style>(.*)<\/style>/s.exec(text)![1]!;
    const digest = createHash("sha256").update(style).digest("base64");
    expect(headers.get("content-security-policy")).toBe(
      `default-src 'none'; style-src 'sha256-${digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    );
    expect(text).not.toMatch(/<script|style="|\son\w+=|https?:/);
    expect(headers.get("access-control-allow-origin")).toBeNull();
    expect((await app.request("/", { method: "POST" })).status).toBe(405);
  });

  test("in production is not there", async () => {
    const app = await start({ env: { NODE_ENV: "production", APOLLO_SANDBOX: "true" } });
    expect(await app.request("/")).toMatchObject({
      status: 404,
      text: '{"error":"There is nothing at this path."}',
    });
  });
});
