import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { DAY, MINUTE } from "../../src/clock.js";
import { type App, makeApp, NEW_PASSWORD, PASSWORD } from "../support/app.js";
import { cookieOf, withCookie } from "../support/cookies.js";
import { DATABASES } from "../support/databases.js";
import {
  CHANGE_PASSWORD,
  LOGIN,
  LOGOUT,
  ME,
  REAUTHENTICATE,
  REFRESH,
  SIGN_IN,
  VERIFY_RECOVERY_CODE,
  VERIFY_TOTP,
} from "../support/operations.js";
import { sessionsOn } from "../support/sessions.js";
import { challengeFor, makeMfaUser } from "../support/totp.js";
import { makeUser } from "../support/users.js";

const COOKIE = /^latchkey-refresh=[\w-]{43}; Max-Age=1209600; Path=\/; HttpOnly; SameSite=Strict$/;
const CLEARED = "latchkey-refresh=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict";

describe.each(DATABASES)("a session in a cookie, on %s", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database, env: { CORS_ORIGINS: "https://app.example.com" } });
  });
  afterAll(() => app.close());
  const { reasonFor, expectRefused } = sessionsOn(() => app);

  /** Signs a new user in, with the session in a cookie. */
  async function signIn() {
    const { username } = await makeUser(app);
    const answer = await app.send(LOGIN, { username, password: PASSWORD }, withCookie());
    return { username, cookie: cookieOf(answer), ...answer.data!.login };
  }

  test("whatever starts a session keeps its refresh token in the cookie, out of reach of scripts", async () => {
    const { username } = await makeUser(app);
    // A new password ends the other sessions.
    const { accessToken: token } = await makeUser(app);
    const mfaUser = await makeMfaUser(app);
    const challenge = () => challengeFor(app, mfaUser.username);
    const password = PASSWORD;
    const answers = [
      await app.send(LOGIN, { username, password }, withCookie()),
      await app.send(SIGN_IN, { username, password }, withCookie()),
      await app.send(VERIFY_TOTP, { challenge: await challenge(), code: mfaUser.code() }, withCookie()),
      await app.send(
        VERIFY_RECOVERY_CODE,
        { challenge: await challenge(), code: mfaUser.recoveryCodes[0]! },
        withCookie(),
      ),
      await app.send(
        CHANGE_PASSWORD,
        { currentPassword: password, newPassword: NEW_PASSWORD },
        { ...withCookie(), token },
      ),
    ];
    for (const answer of answers) {
      expect(answer.headers.get("set-cookie")).toMatch(COOKIE);
      expect(answer.text).toContain('"refreshToken":null');
      expect(answer.text).not.toContain(cookieOf(answer));
      const refreshed = await app.send(REFRESH, {}, withCookie(cookieOf(answer)));
      expect(refreshed.headers.get("set-cookie")).toMatch(COOKIE);
      expect(refreshed.data?.refreshToken).toMatchObject({ tokenType: "bearer", refreshToken: null });
    }
  });

  test("a request that does not ask for a cookie gets none, and its cookie is not read", async () => {
    const { username, cookie } = await signIn();
    const login = await app.send(LOGIN, { username, password: PASSWORD });
    expect(login.headers.get("set-cookie")).toBeNull();
    expect(login.data?.login.refreshToken).toMatch(/^[\w-]{43}$/);
    const { status, errors } = await app.send(
      REFRESH,
      {},
      { headers: { cookie: `latchkey-refresh=${cookie}` } },
    );
    expect([status, errors?.[0]?.extensions]).toEqual([
      400,
      {
        code: "BAD_USER_INPUT",
        violations: [
          {
            field: "refreshToken",
            rule: "required",
            message: "refreshToken is required, unless it is kept in a cookie: Latchkey-Session: cookie",
          },
        ],
      },
    ]);
  });

  test("a refresh renews the cookie until the session's age, and a consumed cookie ends the session (row 37)", async () => {
    const { cookie, accessToken } = await signIn();
    let latest = cookie;
    const ages: number[] = [];
    for (let day = 0; day < 85; day += 10) {
      app.clock.advance(10 * DAY);
      const answer = await app.send(REFRESH, {}, withCookie(latest));
      if (answer.errors) break;
      latest = cookieOf(answer);
      ages.push(Number(/Max-Age=(\d+)/.exec(answer.headers.get("set-cookie")!)![1]) / 86_400);
    }
    expect(ages).toEqual([14, 14, 14, 14, 14, 14, 14, 10]);
    const stolen = await app.send(REFRESH, {}, withCookie(cookie));
    expect([stolen.errors?.[0]?.extensions?.["code"], stolen.headers.get("set-cookie")]).toEqual([
      "INVALID_TOKEN",
      CLEARED,
    ]);
    await expectRefused(latest);
    expect(await reasonFor(accessToken)).toBe("TOKEN_EXPIRED");
  });

  test("two tabs that refresh at once both stay signed in", async () => {
    const { cookie } = await signIn();
    const [first, second] = await Promise.all([1, 2].map(() => app.send(REFRESH, {}, withCookie(cookie))));
    expect(cookieOf(first!)).toBe(cookieOf(second!));
  });

  test("without a cookie there is no session to refresh", async () => {
    for (const options of [withCookie(), withCookie("")]) {
      const { status, errors } = await app.send(REFRESH, {}, options);
      expect([status, errors]).toEqual([
        200,
        [
          expect.objectContaining({
            message: "There is no session in a cookie. Log in.",
            extensions: { code: "INVALID_TOKEN" },
          }),
        ],
      ]);
    }
  });

  test("a refresh token from elsewhere moves into the cookie", async () => {
    const { refreshToken } = await makeUser(app);
    const answer = await app.send(REFRESH, { refreshToken }, withCookie());
    expect(answer.data?.refreshToken.refreshToken).toBeNull();
    expect((await app.send(REFRESH, {}, withCookie(cookieOf(answer)))).errors).toBeUndefined();
  });

  test("only a refused cookie is cleared, not the one beside a refused argument", async () => {
    const { cookie } = await signIn();
    const argument = await app.send(REFRESH, { refreshToken: "x" }, withCookie(cookie));
    expect([argument.errors?.[0]?.extensions, argument.headers.get("set-cookie")]).toEqual([
      { code: "INVALID_TOKEN" },
      null,
    ]);
    const dead = await app.send(REFRESH, {}, withCookie("x"));
    expect([dead.errors?.[0]?.extensions, dead.headers.get("set-cookie")]).toEqual([
      { code: "INVALID_TOKEN" },
      CLEARED,
    ]);
  });

  test("signing in ends the session that the cookie had (row 35)", async () => {
    const before = await signIn();
    const { username } = await makeUser(app);
    const answer = await app.send(LOGIN, { username, password: PASSWORD }, withCookie(before.cookie));
    expect(await reasonFor(before.accessToken)).toBe("SESSION_REVOKED");
    await expectRefused(before.cookie);
    // A late answer must not clear the cookie of the new session, until it cannot be one any more.
    for (const expected of [null, CLEARED]) {
      const late = await app.send(REFRESH, {}, withCookie(before.cookie));
      expect(late.headers.get("set-cookie")).toBe(expected);
      app.clock.advance(MINUTE);
    }
    expect(await reasonFor(answer.data!.login.accessToken)).toBeUndefined();
    const failed = await app.send(LOGIN, { username, password: "wrong" }, withCookie(cookieOf(answer)));
    expect(failed.headers.get("set-cookie")).toBeNull();
    expect(await reasonFor(answer.data!.login.accessToken)).toBeUndefined();
  });

  test("reauthenticating leaves the cookie as it is", async () => {
    const { accessToken: token, cookie } = await signIn();
    const answer = await app.send(REAUTHENTICATE, { password: PASSWORD }, { ...withCookie(cookie), token });
    expect([answer.data?.reauthenticate.refreshToken, answer.headers.get("set-cookie")]).toEqual([
      null,
      null,
    ]);
  });

  test("logout clears the cookie and ends the session, whatever the access token", async () => {
    for (const late of [0, 16 * MINUTE]) {
      const { accessToken: token, cookie } = await signIn();
      app.clock.advance(late);
      const answer = await app.send(LOGOUT, {}, { ...withCookie(cookie), token });
      expect([answer.data, answer.headers.get("set-cookie")]).toEqual([{ logout: true }, CLEARED]);
      await expectRefused(cookie);
    }
    const { cookie } = await signIn();
    expect((await app.send(LOGOUT, {}, withCookie(cookie))).data).toEqual({ logout: true });
    await expectRefused(cookie);
    expect((await app.send(LOGOUT, {}, withCookie())).headers.get("set-cookie")).toBe(CLEARED);
  });

  test("logout ends the sessions of the access token, the argument and the cookie", async () => {
    const [one, other] = [await makeUser(app), await makeUser(app)];
    const { cookie, accessToken } = await signIn();
    const options = { ...withCookie(cookie), token: one.accessToken };
    await app.send(LOGOUT, { refreshToken: other.refreshToken }, options);
    for (const token of [one.accessToken, other.accessToken, accessToken])
      expect(await reasonFor(token)).toBe("SESSION_REVOKED");
  });

  test("logout takes a refresh token when the access token has expired, and answers the same for an unknown one", async () => {
    const { accessToken: token, refreshToken } = await makeUser(app);
    app.clock.advance(16 * MINUTE);
    const { errors } = await app.send(LOGOUT, {}, { token });
    expect(errors?.[0]?.extensions).toEqual({ code: "UNAUTHENTICATED", reason: "TOKEN_EXPIRED" });
    expect((await app.send(LOGOUT, { refreshToken }, { token })).data).toEqual({ logout: true });
    await expectRefused(refreshToken);
    for (const unknown of [refreshToken, "x"])
      expect((await app.send(LOGOUT, { refreshToken: unknown })).data).toEqual({ logout: true });
  });

  test("the cookie alone authenticates nothing", async () => {
    const { cookie } = await signIn();
    const { errors } = await app.send(ME, {}, withCookie(cookie));
    expect(errors?.[0]?.extensions).toEqual({ code: "UNAUTHENTICATED", reason: "MISSING_TOKEN" });
    const headers = { "latchkey-session": "cookie", cookie: `latchkey-refresh=${cookie}` };
    expect((await app.request("/forward-auth", { headers })).status).toBe(401);
  });

  describe("and its origin", () => {
    const OWN = () => ["http://localhost:4000", "https://app.example.com", app.address, undefined];

    test("the API's own pages and those of CORS_ORIGINS may ask for a cookie", async () => {
      const { username } = await makeUser(app);
      for (const origin of OWN()) {
        const options = withCookie(undefined, origin === undefined ? {} : { origin });
        const answer = await app.send(LOGIN, { username, password: PASSWORD }, options);
        expect([origin, answer.headers.get("set-cookie")]).toEqual([origin, expect.stringMatching(COOKIE)]);
      }
    });

    test.each([
      "null",
      "https://evil.example",
      "https://evil.app.example.com",
      "http://app.example.com",
      "https://app.example.com:8443",
      "http://localhost:4001",
      "https://localhost:4000",
      // Apollo Sandbox may call the API, but keeps no session in it.
      "https://studio.apollographql.com",
    ])("those of %s may not, and nothing is done for them (row 63)", async (origin) => {
      const { cookie, accessToken } = await signIn();
      const options = withCookie(cookie, { origin });
      for (const answer of [await app.send(REFRESH, {}, options), await app.send(LOGOUT, {}, options)]) {
        expect([answer.status, answer.errors, answer.headers.get("set-cookie")]).toEqual([
          403,
          [
            {
              message: "This origin may not keep sessions in cookies. Add it to CORS_ORIGINS.",
              extensions: { code: "FORBIDDEN" },
            },
          ],
          null,
        ]);
        expect(answer.headers.get("access-control-allow-credentials")).toBeNull();
      }
      expect(await reasonFor(accessToken)).toBeUndefined();
      expect((await app.send(REFRESH, {}, withCookie(cookie))).errors).toBeUndefined();
    });

    test.each(["", "Cookie", "cookie, cookie", "storage"])("%j is no value of the header", async (value) => {
      const answer = await app.send(REFRESH, {}, { headers: { "latchkey-session": value } });
      expect([answer.status, answer.errors]).toEqual([
        400,
        [{ message: "Latchkey-Session must be cookie.", extensions: { code: "BAD_REQUEST" } }],
      ]);
    });
  });
});

describe.each([
  ["https in development", { PUBLIC_URL: "https://auth.example.com" }],
  [
    "production",
    {
      NODE_ENV: "production",
      PUBLIC_URL: "http://auth.example.com",
      CORS_ORIGINS: "https://app.example.com",
    },
  ],
])("with %s", (_name, env) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ env });
  });
  afterAll(() => app.close());

  test("the cookie has the prefix that no other host can write, and no other name is read (row 63)", async () => {
    const { username } = await makeUser(app);
    const answer = await app.send(LOGIN, { username, password: PASSWORD }, withCookie());
    expect(answer.headers.get("set-cookie")).toMatch(
      /^__Host-latchkey-refresh=[\w-]{43}; Max-Age=1209600; Path=\/; HttpOnly; Secure; SameSite=Strict$/,
    );
    const send = (name: string) =>
      app.send(REFRESH, {}, withCookie(undefined, { cookie: `${name}=${cookieOf(answer)}` }));
    for (const name of ["latchkey-refresh", "__host-latchkey-refresh", "x__Host-latchkey-refresh"])
      expect((await send(name)).errors?.[0]?.extensions).toEqual({ code: "INVALID_TOKEN" });
    expect((await send("__Host-latchkey-refresh")).errors).toBeUndefined();
  });

  test("in production, another name of this machine is not the API's own origin", async () => {
    const { username } = await makeUser(app);
    const options = withCookie(undefined, { origin: app.address });
    const answer = await app.send(LOGIN, { username, password: PASSWORD }, options);
    expect(answer.status).toBe(app.config.production ? 403 : 200);
  });
});
