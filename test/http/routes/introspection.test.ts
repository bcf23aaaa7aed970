import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { type App, makeApp } from "../../support/app.js";
import { closingAfterEach } from "../../support/closing.js";
import { DATABASES } from "../../support/databases.js";
import { DISABLE_TOTP, LOGOUT } from "../../support/operations.js";
import { postForm } from "../../support/tokens.js";
import { enrollTotp } from "../../support/totp.js";
import { makeUser } from "../../support/users.js";

const start = closingAfterEach();
const INTROSPECTION_SECRET = "an introspection secret: with % and + in it";

describe.each(DATABASES)("the OAuth 2 endpoints on %s", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database, env: { INTROSPECTION_SECRET } });
    await app.createUser("alice");
  });
  afterAll(() => app.close());

  const post = (path: string, form: Record<string, string>, headers?: Record<string, string>) =>
    postForm(app, path, form, headers);
  const BEARER_SECRET = "introspection-secret-without-a-space";
  const asResourceServer = { authorization: `Bearer ${BEARER_SECRET}` };

  test("POST /introspect says nothing about a user who must add a second factor first", async () => {
    const own = await start({
      databaseUrl: app.databaseUrl,
      clock: app.clock,
      env: { INTROSPECTION_SECRET: BEARER_SECRET, REQUIRE_MFA: "all" },
    });
    const { username, token } = await makeUser(own);
    const introspect = () => postForm(own, "/introspect", { token }, asResourceServer);
    expect(await introspect()).toMatchObject({ status: 200, text: '{"active":false}' });
    await enrollTotp(own, token);
    expect((await introspect()).json).toMatchObject({ active: true, username });
    // The session has used a factor, but the user has none any more.
    expect((await own.send(DISABLE_TOTP, {}, { token })).data).toEqual({ disableTotp: true });
    expect(await introspect()).toMatchObject({ status: 200, text: '{"active":false}' });
  });

  test("POST /introspect describes a live token to a resource server, and says nothing about others (row 57)", async () => {
    const own = await start({
      databaseUrl: app.databaseUrl,
      clock: app.clock,
      env: { INTROSPECTION_SECRET: BEARER_SECRET },
    });
    const { accessToken, refreshToken, user } = await own.login("alice");
    const introspect = async (token: string, headers: Record<string, string> = asResourceServer) => {
      const type = { "content-type": "application/x-www-form-urlencoded" };
      const body = new URLSearchParams({ token }).toString();
      return own.request("/introspect", { method: "POST", body, headers: { ...type, ...headers } });
    };
    const active = await introspect(accessToken);
    expect(JSON.parse(active.text)).toEqual({
      active: true,
      token_type: "Bearer",
      iss: "http://localhost:4000",
      aud: "latchkey",
      sub: user.id,
      sid: expect.any(String),
      jti: expect.any(String),
      iat: own.clock.now() / 1000,
      exp: own.clock.now() / 1000 + 900,
      auth_time: own.clock.now() / 1000,
      amr: ["pwd"],
      roles: ["USER"],
      scope: "profile items:read items:write account",
      username: "alice",
    });
    // The current roles of the user, as everywhere, not those in the token.
    await own.latchkey.db
      .updateTable("users")
      .set({ roles: '["USER","ADMIN"]' })
      .where("id", "=", user.id)
      .execute();
    expect(JSON.parse((await introspect(accessToken)).text)).toMatchObject({
      roles: ["USER", "ADMIN"],
      scope: "profile items:read items:write account admin",
    });
    await own.latchkey.db.updateTable("users").set({ roles: '["USER"]' }).where("id", "=", user.id).execute();
    const kidWithNul = Buffer.from('{"alg":"ES256","typ":"at+jwt","kid":"a\\u0000b"}').toString("base64url");
    await own.send(LOGOUT, {}, { token: accessToken });
    for (const token of [accessToken, refreshToken, "garbage", `${kidWithNul}.e30.AA`]) {
      expect(await introspect(token)).toMatchObject({ status: 200, text: '{"active":false}' });
    }
    for (const headers of [
      {},
      { authorization: "Bearer wrong" },
      { authorization: `Bearer ${accessToken}` },
    ]) {
      const refused = await introspect(accessToken, headers);
      expect([refused.status, JSON.parse(refused.text).error]).toEqual([401, "invalid_client"]);
      expect(refused.headers.get("www-authenticate")).toBe('Basic realm="introspection"');
    }
  });

  test.each([
    ["none", undefined],
    ["an empty bearer", "Bearer "],
    ["an empty password", `Basic ${Buffer.from("app:").toString("base64")}`],
    ["no colon", `Basic ${Buffer.from(INTROSPECTION_SECRET).toString("base64").slice(0, -4)}`],
    ["the secret as the user's name", `Basic ${Buffer.from(`${INTROSPECTION_SECRET}:`).toString("base64")}`],
    [
      "a character less",
      `Basic ${Buffer.from(`app:${INTROSPECTION_SECRET.slice(0, -1)}`).toString("base64")}`,
    ],
    ["a character more", `Basic ${Buffer.from(`app:${INTROSPECTION_SECRET}x`).toString("base64")}`],
    ["another case", `Basic ${Buffer.from(`app:${INTROSPECTION_SECRET.toUpperCase()}`).toString("base64")}`],
    ["another scheme", `Digest ${Buffer.from(`app:${INTROSPECTION_SECRET}`).toString("base64")}`],
  ])(
    "POST /introspect refuses a caller with %s before it looks at the token (row 57)",
    async (_what, authorization) => {
      const { accessToken } = await app.login("alice");
      for (const form of [{ token: accessToken }, { token: "garbage" }, {}]) {
        const answer = await post(
          "/introspect",
          form as Record<string, string>,
          authorization ? { authorization } : {},
        );
        expect([answer.status, answer.json]).toEqual([
          401,
          { error: "invalid_client", error_description: "Authenticate with the INTROSPECTION_SECRET." },
        ]);
      }
    },
  );

  test("the introspection secret may be sent as HTTP Basic defines it, or as OAuth encodes it", async () => {
    for (const password of [
      INTROSPECTION_SECRET,
      encodeURIComponent(INTROSPECTION_SECRET).replaceAll("%20", "+"),
    ]) {
      const authorization = `Basic ${Buffer.from(`app:${password}`).toString("base64")}`;
      const { json } = await post("/introspect", { token: "garbage" }, { authorization });
      expect(json).toEqual({ active: false });
    }
  });

  test("without INTROSPECTION_SECRET there is no introspection", async () => {
    const closed = await start({ databaseUrl: app.databaseUrl });
    expect((await closed.request("/introspect", { method: "POST" })).status).toBe(404);
    const metadata = JSON.parse((await closed.request("/.well-known/oauth-authorization-server")).text);
    expect(metadata).not.toHaveProperty("introspection_endpoint");
  });
});
