import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { decodeJwt, generateKeyPair, SignJWT, UnsecuredJWT } from "jose";
import { MINUTE } from "../../src/clock.js";
import { USERS } from "../support/administration-operations.js";
import { type App, makeApp } from "../support/app.js";
import { DATABASES } from "../support/databases.js";
import { LOGIN, ME, MY_ITEMS } from "../support/operations.js";
import { deleteUser } from "../support/tables.js";

interface Parts {
  header?: Record<string, unknown>;
  claims?: Record<string, unknown>;
  /** Signs with a new key of this algorithm instead of ours. */
  forge?: "ES256" | "EdDSA" | "HS256";
}

const MESSAGES = {
  MISSING_TOKEN: "Sign in first: send the access token from `login` as `Authorization: Bearer …`.",
  UNSUPPORTED_SCHEME:
    "Send the access token with its scheme: the `Authorization` header must be `Bearer`, a space and the token.",
  INVALID_TOKEN: "The access token is not valid. Refresh it, or log in again.",
  TOKEN_EXPIRED: "The access token has expired. Refresh it, or log in again.",
  SESSION_REVOKED: "This session has ended. Log in again.",
  ACCOUNT_DISABLED: "This account has been disabled. Ask an administrator.",
};

describe.each(DATABASES)("the guard on %s", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database });
    await app.createUser("alice");
  });
  afterAll(() => app.close());

  /** Returns a valid token with these parts changed; a part that is undefined is left out. */
  async function tokenWith({ header, claims, forge }: Parts = {}): Promise<string> {
    const { user, accessToken } = await app.login("alice");
    const { sid } = JSON.parse(atob(accessToken.split(".")[1]!));
    const { kid, sign } = await app.latchkey.keys.signingKey();
    const now = app.clock.now() / 1000;
    const issued = {
      iss: "http://localhost:4000",
      aud: "latchkey",
      sub: user.id,
      sid,
      jti: "1",
      iat: now,
      exp: now + 900,
      auth_time: now,
      amr: ["pwd"],
    };
    const jwt = new SignJWT({ ...issued, roles: ["USER"], scope: "", ...claims });
    jwt.setProtectedHeader({ alg: forge ?? "ES256", typ: "at+jwt", kid, ...header });
    if (forge === "HS256") return jwt.sign(new TextEncoder().encode(app.config.secretKey));
    return jwt.sign(forge ? (await generateKeyPair(forge)).privateKey : sign);
  }

  async function expectRefused(authorization: string | undefined, reason: keyof typeof MESSAGES) {
    const headers = authorization === undefined ? {} : { authorization };
    for (const answer of [await app.send(ME, {}, { headers }), await app.send(MY_ITEMS, {}, { headers })]) {
      expect(answer.status).toBe(401);
      expect(answer.data).toBeNull();
      expect(answer.errors).toEqual([
        expect.objectContaining({
          message: MESSAGES[reason],
          extensions: { code: "UNAUTHENTICATED", reason },
        }),
      ]);
      const challenge = ["MISSING_TOKEN", "UNSUPPORTED_SCHEME"].includes(reason)
        ? "Bearer"
        : 'Bearer error="invalid_token"';
      expect(answer.headers.get("www-authenticate")).toBe(challenge);
    }
  }

  test("accepts a valid token, whatever the case of the scheme (row 54)", async () => {
    const token = await tokenWith();
    for (const authorization of [`Bearer ${token}`, `bearer ${token}`, `BEARER  ${token}`]) {
      const { status, data } = await app.send(ME, {}, { headers: { authorization } });
      expect(status).toBe(200);
      expect(data?.me.username).toBe("alice");
    }
  });

  test.each([
    ["no header", undefined, "MISSING_TOKEN"],
    ["another scheme", "Basic YWxpY2U6eA==", "UNSUPPORTED_SCHEME"],
    ["a token without a scheme", "eyJhbGciOiJFUzI1NiJ9.e30.c2ln", "UNSUPPORTED_SCHEME"],
    ["a scheme that starts with Bearer", "BearerX a.b.c", "UNSUPPORTED_SCHEME"],
    ["an empty header", "", "MISSING_TOKEN"],
    ["a scheme without a token", "Bearer", "INVALID_TOKEN"],
    ["not a JWT", "Bearer garbage", "INVALID_TOKEN"],
    ["two tokens", "Bearer a.b.c d.e.f", "INVALID_TOKEN"],
    ["a list of schemes", "Bearer a.b.c, Basic d", "INVALID_TOKEN"],
    ["empty parts", "Bearer ..", "INVALID_TOKEN"],
  ] as const)("refuses %s (rows 51, 54)", async (_what, authorization, reason) => {
    await expectRefused(authorization, reason);
  });

  test.each<[string, Parts, keyof typeof MESSAGES]>([
    ["signed by another key under our kid", { forge: "ES256" }, "INVALID_TOKEN"],
    ["signed with SECRET_KEY as HMAC under our kid", { forge: "HS256" }, "INVALID_TOKEN"],
    ["of an algorithm without a key", { forge: "EdDSA", header: { kid: "other" } }, "INVALID_TOKEN"],
    ["of an unknown key", { header: { kid: "unknown" } }, "INVALID_TOKEN"],
    ["of a key whose id no database can store", { header: { kid: "a\0b" } }, "INVALID_TOKEN"],
    ["without a kid", { header: { kid: undefined } }, "INVALID_TOKEN"],
    ["with a kid that is not a string", { header: { kid: 1 as never } }, "INVALID_TOKEN"],
    ["of another type", { header: { typ: "JWT" } }, "INVALID_TOKEN"],
    ["without a type", { header: { typ: undefined } }, "INVALID_TOKEN"],
    [
      "with an expiry that has passed",
      { claims: { iat: 1_000_000_000, exp: 1_000_000_900 } },
      "TOKEN_EXPIRED",
    ],
    ["without an expiry", { claims: { exp: undefined } }, "INVALID_TOKEN"],
    ["with an expiry that is not a number", { claims: { exp: "never" } }, "INVALID_TOKEN"],
    ["not valid yet", { claims: { nbf: 4_000_000_000 } }, "INVALID_TOKEN"],
    ["issued in the future", { claims: { iat: 4_000_000_000, exp: 4_000_000_900 } }, "INVALID_TOKEN"],
    ["of another issuer", { claims: { iss: "http://localhost:4000/" } }, "INVALID_TOKEN"],
    ["of no issuer", { claims: { iss: undefined } }, "INVALID_TOKEN"],
    ["for another audience", { claims: { aud: "other" } }, "INVALID_TOKEN"],
    ["for no audience", { claims: { aud: undefined } }, "INVALID_TOKEN"],
    ["of an unknown user", { claims: { sub: "0190a0a0-0000-7000-8000-000000000000" } }, "INVALID_TOKEN"],
    ["of an unknown session", { claims: { sid: "0190a0a0-0000-7000-8000-000000000000" } }, "INVALID_TOKEN"],
    ["without a session", { claims: { sid: undefined } }, "INVALID_TOKEN"],
  ])("refuses a token %s (rows 22, 23, 25 to 29, 52)", async (_what, parts, reason) => {
    await expectRefused(`Bearer ${await tokenWith(parts)}`, reason);
  });

  test("refuses an unsigned token, a stripped signature, and another spelling of the same bytes (rows 22, 23, 30)", async () => {
    const token = await tokenWith();
    const [header, payload, signature] = token.split(".") as [string, string, string];
    const claims = JSON.parse(atob(payload));
    await expectRefused(`Bearer ${new UnsecuredJWT(claims).encode()}`, "INVALID_TOKEN");
    await expectRefused(`Bearer ${header}.${payload}.`, "INVALID_TOKEN");
    await expectRefused(`Bearer ${token}=`, "INVALID_TOKEN");
    const last = signature.at(-1)!;
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const sameBytes = signature.slice(0, -1) + alphabet[alphabet.indexOf(last) ^ 1];
    expect(Buffer.from(sameBytes, "base64url")).toEqual(Buffer.from(signature, "base64url"));
    await expectRefused(`Bearer ${header}.${payload}.${sameBytes}`, "INVALID_TOKEN");
  });

  test("expires a token to the second (row 26)", async () => {
    const { accessToken } = await app.login("alice");
    app.clock.advance(15 * MINUTE - 1000);
    expect((await app.send(ME, {}, { token: accessToken })).data?.me.username).toBe("alice");
    app.clock.advance(1000);
    await expectRefused(`Bearer ${accessToken}`, "TOKEN_EXPIRED");
  });

  test("refuses the next request of an ended session (row 34)", async () => {
    await app.createUser("ended");
    const { accessToken } = await app.login("ended");
    await app.latchkey.operator.setPassword("ended", "another long password");
    await expectRefused(`Bearer ${accessToken}`, "SESSION_REVOKED");
  });

  test("refuses the next request of a disabled user, who needs a new login once enabled (row 34)", async () => {
    await app.createUser("bob");
    const { accessToken } = await app.login("bob");
    await app.latchkey.operator.disable("bob");
    await expectRefused(`Bearer ${accessToken}`, "ACCOUNT_DISABLED");
    await app.latchkey.operator.enable("bob");
    await expectRefused(`Bearer ${accessToken}`, "SESSION_REVOKED");
    const { accessToken: fresh } = await app.login("bob");
    expect((await app.send(ME, {}, { token: fresh })).data?.me.username).toBe("bob");
  });

  test("refuses the token of a deleted user, even if the name is taken again (rows 29, 34)", async () => {
    await app.createUser("gone");
    const { accessToken } = await app.login("gone");
    await deleteUser(app.latchkey.db, "gone");
    await app.createUser("gone");
    await expectRefused(`Bearer ${accessToken}`, "INVALID_TOKEN");
  });

  test("never reads a token from the query string or the body (row 53)", async () => {
    const { accessToken } = await app.login("alice");
    const { status, text } = await app.request(`/graphql?access_token=${accessToken}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query: "{ me { id } }", access_token: accessToken }),
    });
    expect(status).toBe(401);
    expect(text).toContain("MISSING_TOKEN");
    expect(app.seen.filter((line) => line.includes('"req"')).join()).not.toContain(accessToken);
  });

  test("the answer to a wrong role says that no token of this user will do (row 52)", async () => {
    const { accessToken: token } = await app.login("alice");
    const { status, headers, errors } = await app.send(USERS, {}, { token });
    expect(status).toBe(403);
    expect(headers.get("www-authenticate")).toBe('Bearer error="insufficient_scope"');
    expect(errors?.[0]?.extensions).toEqual({ code: "FORBIDDEN" });
  });

  test("each login is a session of its own, with tokens of its own (row 35)", async () => {
    const logins = [await app.login("alice"), await app.login("alice")];
    const said = logins.map(({ accessToken, refreshToken }) => {
      const { sid, jti } = decodeJwt(accessToken);
      return [accessToken, refreshToken, sid, jti];
    });
    expect(new Set(said.flat()).size).toBe(8);
  });

  test("a request may mix public and guarded fields only if it is signed in", async () => {
    const { data, status } = await app.post({ query: "{ __typename me { id } }" });
    expect([data, status]).toEqual([null, 401]);
    expect((await app.send(LOGIN, { username: "alice", password: "wrong" })).status).toBe(401);
  });
});
