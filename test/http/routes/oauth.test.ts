import { availableParallelism } from "node:os";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { createRemoteJWKSet, jwtVerify } from "jose";
import * as oauth from "oauth4webapi";
import { systemClock } from "../../../src/clock.js";
import { type App, makeApp, PASSWORD } from "../../support/app.js";
import { closingAfterEach } from "../../support/closing.js";
import { DATABASES } from "../../support/databases.js";
import { LOGIN, LOGOUT, ME } from "../../support/operations.js";
import { auditEventsOf } from "../../support/tables.js";
import { postForm } from "../../support/tokens.js";

const start = closingAfterEach();
const INTROSPECTION_SECRET = "an introspection secret: with % and + in it";

describe.each(DATABASES)("the OAuth 2 endpoints on %s", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database, env: { INTROSPECTION_SECRET } });
    await app.createUser("alice");
  });
  afterAll(() => app.close());

  const post = (path: string, form: Record<string, string> | string, headers?: Record<string, string>) =>
    postForm(app, path, form, headers);
  const passwordGrant = (more: Record<string, string> = {}) => ({
    grant_type: "password",
    username: "alice",
    password: PASSWORD,
    ...more,
  });

  test("POST /token with a password, as FastAPI's form sends it (row 55)", async () => {
    const { status, headers, json } = await post(
      "/token",
      passwordGrant({ scope: "me items", client_id: "" }),
    );
    expect(status).toBe(200);
    expect(headers.get("cache-control")).toBe("no-store");
    expect(json).toEqual({
      access_token: expect.any(String),
      token_type: "bearer",
      expires_in: 900,
      refresh_token: expect.stringMatching(/^[\w-]{43}$/),
    });
    expect((await app.send(ME, {}, { token: json.access_token })).data?.me.username).toBe("alice");
  });

  test("POST /token with a refresh token rotates it, over the same sessions as GraphQL", async () => {
    const { refreshToken, accessToken } = await app.login("alice");
    const { status, json } = await post("/token", {
      grant_type: "refresh_token",
      refresh_token: refreshToken,
    });
    expect(status).toBe(200);
    expect(json.refresh_token).not.toBe(refreshToken);
    expect((await app.send(ME, {}, { token: json.access_token })).data?.me.username).toBe("alice");
    await app.send(LOGOUT, {}, { token: accessToken });
    const ended = await post("/token", { grant_type: "refresh_token", refresh_token: json.refresh_token });
    expect([ended.status, ended.json]).toEqual([
      400,
      {
        error: "invalid_grant",
        error_description: "The refresh token is unknown, used or expired. Log in again.",
      },
    ]);
  });

  test.each([
    [
      "a wrong password",
      passwordGrant({ password: "wrong" }),
      "invalid_grant",
      "The username or the password is wrong.",
    ],
    [
      "an unknown user",
      passwordGrant({ username: "nobody" }),
      "invalid_grant",
      "The username or the password is wrong.",
    ],
    [
      "a NUL in the username",
      passwordGrant({ username: "a\0b" }),
      "invalid_grant",
      "The username or the password is wrong.",
    ],
    ["no grant type", { username: "alice" }, "invalid_request", "grant_type is missing."],
    ["no username", { grant_type: "password", password: "x" }, "invalid_request", "username is missing."],
    ["no password", { grant_type: "password", username: "alice" }, "invalid_request", "password is missing."],
    [
      "an empty refresh token",
      { grant_type: "refresh_token", refresh_token: "" },
      "invalid_request",
      "refresh_token is missing.",
    ],
    [
      "another grant",
      { grant_type: "client_credentials" },
      "unsupported_grant_type",
      "grant_type must be password or refresh_token.",
    ],
    [
      "a parameter twice",
      "grant_type=password&grant_type=password",
      "invalid_request",
      "A parameter was sent more than once.",
    ],
  ])("POST /token refuses %s", async (_what, form, error, description) => {
    const { status, headers, json } = await post("/token", form);
    expect([status, json]).toEqual([400, { error, error_description: description }]);
    expect(headers.get("cache-control")).toBe("no-store");
  });

  test("POST /token refuses a disabled user, and a body that is not a form or too large", async () => {
    await app.createUser("disabled");
    await app.latchkey.operator.disable("disabled");
    const { status, json } = await post("/token", passwordGrant({ username: "disabled" }));
    expect([status, json]).toEqual([
      400,
      { error: "invalid_grant", error_description: "This account has been disabled. Ask an administrator." },
    ]);
    for (const type of ["application/json", "text/plain"]) {
      const asJson = await post("/token", JSON.stringify(passwordGrant()), { "content-type": type });
      expect([asJson.status, asJson.json.error]).toEqual([415, "invalid_request"]);
    }
    const large = await post("/token", passwordGrant({ scope: "x".repeat(65_536) }));
    expect([large.status, large.json]).toEqual([
      413,
      { error: "invalid_request", error_description: "Request body is too large" },
    ]);
    const empty = await app.request("/token", { method: "POST" });
    expect([empty.status, JSON.parse(empty.text).error]).toEqual([400, "invalid_request"]);
  });

  test.each(["refreshToken", "accessToken"] as const)(
    "POST /revoke of a %s ends its session (row 56)",
    async (kind) => {
      const token = await app.login("alice");
      const { status, text } = await post("/revoke", { token: token[kind], token_type_hint: "whatever" });
      expect([status, text]).toEqual([200, ""]);
      expect((await app.send(ME, {}, { token: token.accessToken })).errors?.[0]?.extensions?.["reason"]).toBe(
        "SESSION_REVOKED",
      );
      expect((await auditEventsOf(app.latchkey.db, token.user.id)).at(-1)?.type).toBe("LOGGED_OUT");
      // The same as for a token that is unknown, or was revoked before.
      for (const again of [token[kind], "garbage"]) {
        const answer = await post("/revoke", { token: again });
        expect([answer.status, answer.text]).toEqual([200, ""]);
      }
      expect((await post("/revoke", {})).json).toEqual({
        error: "invalid_request",
        error_description: "token is missing.",
      });
    },
  );

  test("POST /revoke answers the same bytes whatever the token is (row 56)", async () => {
    const { accessToken, refreshToken } = await app.login("alice");
    const ended = await app.login("alice");
    await app.send(LOGOUT, {}, { token: ended.accessToken });
    const answers = [];
    for (const token of [
      accessToken,
      refreshToken,
      ended.accessToken,
      ended.refreshToken,
      "garbage",
      "a\0b",
      ".",
    ]) {
      const { status, headers, text } = await post("/revoke", { token });
      const own = ["x-request-id", "date"];
      answers.push({ status, text, headers: [...headers].filter(([name]) => !own.includes(name)) });
    }
    expect(answers).toEqual(Array(answers.length).fill(answers[0]));
    expect([answers[0]!.status, answers[0]!.text]).toEqual([200, ""]);
  });

  test("no endpoint reads a token or a secret from the query string, nor the secret from the form (rows 53, 57)", async () => {
    const { accessToken, refreshToken } = await app.login("alice");
    const authorization = `Basic ${Buffer.from(`app:${INTROSPECTION_SECRET}`).toString("base64")}`;
    const client_secret = INTROSPECTION_SECRET;
    const inQuery = new URLSearchParams({
      token: accessToken,
      client_secret,
      access_token: INTROSPECTION_SECRET,
    });
    const inForm = { token: accessToken, client_id: "app", client_secret };
    for (const refused of [await post("/introspect", inForm), await post(`/introspect?${inQuery}`, inForm)]) {
      expect([refused.status, refused.json.error]).toEqual([401, "invalid_client"]);
    }
    const missing = { error: "invalid_request", error_description: "token is missing." };
    expect((await post(`/introspect?${inQuery}`, {}, { authorization })).json).toEqual(missing);
    expect((await post(`/revoke?${inQuery}`, {})).json).toEqual(missing);
    const grant = new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken });
    expect((await post(`/token?${grant}`, {})).json.error_description).toBe("grant_type is missing.");
    expect((await app.send(ME, {}, { token: accessToken })).status).toBe(200);
    const logged = app.seen.filter((line) => line.includes('"req"')).join();
    for (const secret of [accessToken, refreshToken, INTROSPECTION_SECRET])
      expect(logged).not.toContain(secret);
  });

  test("an issuer with a path has its metadata where RFC 8414 says (row 58)", async () => {
    const under = await start({
      databaseUrl: app.databaseUrl,
      env: { PUBLIC_URL: "https://example.com/auth" },
    });
    const { text } = await under.request("/.well-known/oauth-authorization-server/auth");
    expect(JSON.parse(text)).toMatchObject({
      issuer: "https://example.com/auth",
      token_endpoint: "https://example.com/auth/token",
    });
    // The proxy in front, which serves it below /auth, removes that.
    expect((await under.request("/.well-known/openid-configuration")).text).toBe(text);
  });

  test("oauth4webapi discovers it, logs in, refreshes, introspects and revokes; jose verifies (row 58)", async () => {
    // A client checks times against the real clock, and metadata against the address it asked.
    const first = await makeApp({ databaseUrl: app.databaseUrl, clock: systemClock });
    const { port } = new URL(first.address);
    await first.close();
    const PUBLIC_URL = `http://127.0.0.1:${port}`;
    await start({
      databaseUrl: app.databaseUrl,
      clock: systemClock,
      env: { INTROSPECTION_SECRET, PUBLIC_URL },
      port: Number(port),
    });
    const insecure = { [oauth.allowInsecureRequests]: true };
    const issuer = new URL(PUBLIC_URL);
    const server = await oauth.processDiscoveryResponse(
      issuer,
      await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure }),
    );
    const discovered = await oauth.discoveryRequest(issuer, { algorithm: "oidc", ...insecure });
    expect(await oauth.processDiscoveryResponse(issuer, discovered)).toEqual(server);
    expect(server.scopes_supported).toEqual(["profile", "items:read", "items:write", "account", "admin"]);
    const client: oauth.Client = { client_id: "app" };

    const grant = await oauth.genericTokenEndpointRequest(
      server,
      client,
      oauth.None(),
      "password",
      { username: "alice", password: PASSWORD },
      insecure,
    );
    const token = await oauth.processGenericTokenEndpointResponse(server, client, grant);

    const jwks = createRemoteJWKSet(new URL(server.jwks_uri!));
    const { payload } = await jwtVerify(token.access_token, jwks, {
      issuer: server.issuer,
      audience: "latchkey",
    });
    expect(payload.sub).toEqual(expect.any(String));
    const asBearer = new Request(PUBLIC_URL, { headers: { authorization: `Bearer ${token.access_token}` } });
    const claims = await oauth.validateJwtAccessToken(server, asBearer, "latchkey", insecure);
    expect(claims.sub).toBe(payload.sub);

    const refreshed = await oauth.processRefreshTokenResponse(
      server,
      client,
      await oauth.refreshTokenGrantRequest(server, client, oauth.None(), token.refresh_token!, insecure),
    );
    expect(refreshed.refresh_token).not.toBe(token.refresh_token);

    const secret = oauth.ClientSecretBasic(INTROSPECTION_SECRET);
    const introspect = async () =>
      oauth.processIntrospectionResponse(
        server,
        client,
        await oauth.introspectionRequest(server, client, secret, refreshed.access_token, insecure),
      );
    expect(await introspect()).toMatchObject({ active: true, username: "alice", sub: payload.sub });
    const revoked = await oauth.revocationRequest(
      server,
      client,
      oauth.None(),
      refreshed.refresh_token!,
      insecure,
    );
    await oauth.processRevocationResponse(revoked);
    expect(await introspect()).toEqual({ active: false });
  });
});

test("a login over the limit receives an OAuth error", async () => {
  const app = await start({ config: { bcryptCost: 12 } });
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const answers = await Promise.all(
    // More than the password queue holds: 5 seconds of work for each thread, at 230 ms.
    Array.from({ length: availableParallelism() * 23 + 5 }, (_, n) => {
      const form = { grant_type: "password", username: `nobody${n}`, password: PASSWORD };
      return app.request("/token", { method: "POST", body: new URLSearchParams(form).toString(), headers });
    }),
  );
  const overloaded = answers.find(({ status }) => status === 503);
  expect(overloaded?.headers.get("retry-after")).toBe("5");
  expect(JSON.parse(overloaded!.text)).toEqual({
    error: "temporarily_unavailable",
    error_description: "Too many passwords are being checked. Try again in 5 seconds.",
  });
  expect((await app.send(LOGIN, { username: "nobody", password: "x" })).status).toBe(401);
});
