import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { MINUTE } from "../../../src/clock.js";
import { type App, makeApp } from "../../support/app.js";
import { LOGOUT } from "../../support/operations.js";
import { raw } from "../../support/raw.js";
import { enrollTotp } from "../../support/totp.js";
import { makeUser } from "../../support/users.js";

/** Methods that proxies send; the request has the client's headers, but not its body. */
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const CLIENT_HEADERS = [
  {},
  { "content-type": "multipart/form-data; boundary=x" },
  { "content-type": "application/json", "content-encoding": "gzip" },
];

describe("/forward-auth", () => {
  let app: App;
  let userId: string;
  let adminId: string;
  beforeAll(async () => {
    app = await makeApp({ env: { CORS_ORIGINS: "https://app.example.com" } });
    userId = (await app.createUser("alice")).id;
    const root = { username: "root", email: "root@example.com", fullName: null, roles: ["ADMIN" as const] };
    adminId = (await app.latchkey.operator.create(root, "CANARY-correct-horse-battery")).id;
  });
  afterAll(() => app.close());

  const ask = (token: string | undefined, init: RequestInit = {}) =>
    app.request("/forward-auth", {
      ...init,
      headers: { ...init.headers, ...(token && { authorization: `Bearer ${token}` }) },
    });

  test.each(METHODS)("answers %s with the user of the token, without a body", async (method) => {
    const { accessToken } = await app.login("alice");
    for (const headers of CLIENT_HEADERS) {
      const answer = await ask(accessToken, { method, headers });
      expect([answer.status, answer.text]).toEqual([200, ""]);
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        "latchkey-user-id": userId,
        "latchkey-roles": "USER",
        "cache-control": "no-store",
      });
    }
  });

  test("returns all current roles", async () => {
    const { accessToken } = await app.login("root");
    const roles = async () => {
      const { headers } = await ask(accessToken);
      return [headers.get("latchkey-user-id"), headers.get("latchkey-roles")];
    };
    const [id, both] = await roles();
    expect([id, both?.split(" ").sort()]).toEqual([adminId, ["ADMIN", "USER"]]);
    await app.latchkey.db.updateTable("users").set({ roles: '["USER"]' }).where("id", "=", adminId).execute();
    expect(await roles()).toEqual([adminId, "USER"]);
  });

  test.each(METHODS)("refuses %s without a valid token, like GraphQL", async (method) => {
    const ended = (await app.login("alice")).accessToken;
    await app.send(LOGOUT, {}, { token: ended });
    for (const [token, challenge, message] of [
      [
        undefined,
        "Bearer",
        "Sign in first: send the access token from `login` as `Authorization: Bearer …`.",
      ],
      ["x", 'Bearer error="invalid_token"', "The access token is not valid. Refresh it, or log in again."],
      [ended, 'Bearer error="invalid_token"', "This session has ended. Log in again."],
    ] as const) {
      const answer = await ask(token, { method });
      expect([answer.status, answer.headers.get("www-authenticate")]).toEqual([401, challenge]);
      expect(answer.headers.get("cache-control")).toBe("no-store");
      expect([...answer.headers.keys()].filter((name) => name.startsWith("latchkey-"))).toEqual([]);
      if (method !== "HEAD") expect(JSON.parse(answer.text)).toEqual({ error: message });
    }
  });

  test("refuses a user who must add a second factor first, with 403", async () => {
    const own = await makeApp({
      databaseUrl: app.databaseUrl,
      clock: app.clock,
      env: { REQUIRE_MFA: "admins" },
    });
    try {
      const statusFor = async (token: string) => {
        const headers = { authorization: `Bearer ${token}` };
        return own.request("/forward-auth", { headers });
      };
      const { token } = await makeUser(own, "new-admin", ["ADMIN"]);
      const refused = await statusFor(token);
      expect([refused.status, JSON.parse(refused.text)]).toEqual([
        403,
        {
          error:
            "Your account needs a second factor. Add an authenticator app with `startTotpEnrollment`, or a passkey with `startPasskeyRegistration`.",
        },
      ]);
      expect([...refused.headers.keys()].filter((name) => name.startsWith("latchkey-"))).toEqual([]);
      expect((await statusFor((await own.login("alice")).accessToken)).status).toBe(200);
      await enrollTotp(own, token);
      expect((await statusFor(token)).status).toBe(200);
    } finally {
      await own.close();
    }
  });

  test("accepts an old authentication: the service behind it decides", async () => {
    const { accessToken } = await app.login("alice");
    app.clock.advance(14 * MINUTE);
    expect((await ask(accessToken)).status).toBe(200);
  });

  test("decides a CORS preflight by its token, like any other request", async () => {
    const headers = { origin: "https://app.example.com", "access-control-request-method": "POST" };
    const { accessToken } = await app.login("alice");
    for (const [token, status] of [
      [undefined, 401],
      ["x", 401],
      [accessToken, 200],
    ] as const) {
      const answer = await ask(token, { method: "OPTIONS", headers });
      expect(answer.status).toBe(status);
      expect([...answer.headers.keys()].filter((name) => name.startsWith("access-control-"))).toEqual([]);
    }
  });

  test("accepts only one token, from the Authorization header", async () => {
    const { accessToken } = await app.login("alice");
    expect((await app.request(`/forward-auth?access_token=${accessToken}`)).status).toBe(401);
    const headers = { cookie: `access_token=${accessToken}`, "x-forwarded-uri": `/?token=${accessToken}` };
    expect((await app.request("/forward-auth", { headers })).status).toBe(401);
    const two = await raw(app.address, [
      "GET /forward-auth HTTP/1.1",
      "host: localhost",
      `authorization: Bearer ${accessToken}`,
      `authorization: Bearer ${accessToken}`,
      "connection: close",
      "",
      "",
    ]);
    expect(two).toMatch(/^HTTP\/1\.1 400 /);
  });

  test("refuses a disabled user at the next request", async () => {
    await app.createUser("bob");
    const { accessToken } = await app.login("bob");
    expect((await ask(accessToken)).status).toBe(200);
    await app.latchkey.operator.disable("bob");
    expect(await ask(accessToken)).toMatchObject({
      status: 401,
      text: '{"error":"This account has been disabled. Ask an administrator."}',
    });
  });
});
