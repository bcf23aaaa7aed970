import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type App, makeApp, PASSWORD } from "../support/app.js";

describe("in development", () => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ env: { CORS_ORIGINS: "https://app.example.com" } });
    await app.createUser("alice");
  });
  afterAll(() => app.close());

  describe("against cross-site request forgery (row 63)", () => {
    const LOGIN_BODY = JSON.stringify({
      query: 'mutation($p:String!){login(username:"alice",password:$p){tokenType}}',
      variables: { p: PASSWORD },
    });
    const MUTATION = encodeURIComponent('mutation { login(username: "a", password: "b") { accessToken } }');

    test.each([
      ["text/plain"],
      ["text/plain;charset=UTF-8"],
      ["text/plain; application/json"],
      ["text/plain, application/json"],
      ["application/json, text/plain"],
      ["application/x-www-form-urlencoded"],
      ["multipart/form-data; boundary=application/json"],
      ["application/graphql"],
      ["application/graphql+json"],
      ["text/json"],
      ["application/jsonx"],
      ["json"],
    ])("a POST of %s is refused", async (type) => {
      const headers = { "content-type": type, "apollo-require-preflight": "1" };
      const { status, text } = await app.request("/graphql", { method: "POST", body: LOGIN_BODY, headers });
      expect(status).toBe(415);
      expect(JSON.parse(text).errors[0].extensions.code).toBe("BAD_REQUEST");
    });

    test("a POST without a type is refused", async () => {
      const body = new Blob([LOGIN_BODY]);
      const { status } = await app.request("/graphql", { method: "POST", body });
      expect(status).toBe(415);
      expect((await app.request("/graphql", { method: "POST" })).status).toBe(400);
    });

    test.each(["application/json", "application/json; charset=utf-8", "Application/JSON"])(
      "a POST of %s is run",
      async (type) => {
        const headers = { "content-type": type };
        const { status } = await app.request("/graphql", { method: "POST", body: LOGIN_BODY, headers });
        expect(status).toBe(200);
      },
    );

    test("a GET runs queries only, and only with a header that a form cannot send", async () => {
      const preflighted = { headers: { "apollo-require-preflight": "1" } };
      const mutation = await app.request(`/graphql?query=${MUTATION}`, preflighted);
      expect(mutation.status).toBe(405);
      expect(mutation.headers.get("allow")).toBe("POST");
      const two = encodeURIComponent("query a{__typename} mutation b{logout}");
      expect((await app.request(`/graphql?query=${two}&operationName=b`, preflighted)).status).toBe(405);
      expect((await app.request(`/graphql?query=${two}&operationName=a`, preflighted)).status).toBe(200);
      for (const query of ["{__typename}", MUTATION]) {
        const simple = await app.request(`/graphql?query=${query}`);
        expect(simple.status).toBe(400);
        expect(simple.text).toContain('"code":"BAD_REQUEST"');
      }
    });

    test.each(["HEAD", "PUT", "PATCH", "DELETE"])("%s runs nothing", async (method) => {
      const headers = { "apollo-require-preflight": "1", "content-type": "text/plain" };
      const body = method === "HEAD" ? null : "{";
      const answer = await app.request("/graphql?query={__typename}", { method, headers, body });
      expect([answer.status, answer.headers.get("allow")]).toEqual([405, "GET, POST"]);
      if (method === "HEAD") return;
      expect(JSON.parse(answer.text)).toEqual({
        errors: [{ message: "Send GET or POST.", extensions: { code: "BAD_REQUEST" } }],
      });
    });
  });
});
