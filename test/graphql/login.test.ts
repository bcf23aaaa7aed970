import { afterAll, afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import bcrypt from "bcrypt";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { DAY, HOUR } from "../../src/clock.js";
import { loadConfig } from "../../src/config.js";
import { findPasswordHash, setPasswordHash } from "../../src/storage/credentials.js";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { DATABASES } from "../support/databases.js";
import { CHANGE_PASSWORD, LOGIN, ME } from "../support/operations.js";

const INVALID_CREDENTIALS = [
  expect.objectContaining({
    message: "The username or the password is wrong.",
    extensions: { code: "INVALID_CREDENTIALS" },
  }),
];

describe.each(DATABASES)("login on %s", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database });
    await app.createUser("alice");
  });
  afterAll(() => app.close());
  /** More apps of one test, on the same database. */
  const others: App[] = [];
  afterEach(async () => {
    for (const other of others.splice(0)) await other.close();
    // So that failed attempts of one test do not count in the next.
    app.clock.advance(DAY);
  });

  test("returns a bearer token for the correct password (row 55)", async () => {
    const { status, headers, data } = await app.send(LOGIN, { username: "alice", password: PASSWORD });
    expect(status).toBe(200);
    expect(headers.get("cache-control")).toBe("no-store");
    expect(data?.login).toEqual({
      accessToken: expect.any(String),
      tokenType: "bearer",
      expiresIn: 900,
      expiresAt: new Date(app.clock.now() + 900_000).toISOString(),
      refreshToken: expect.stringMatching(/^[\w-]{43}$/),
      user: {
        id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
        username: "alice",
        email: "alice@example.com",
        emailVerified: true,
        fullName: null,
        disabled: false,
        roles: ["USER"],
        createdAt: new Date(app.clock.now()).toISOString(),
      },
    });
    const me = await app.send(ME, {}, { token: data!.login.accessToken });
    expect(me.data?.me).toEqual(data!.login.user);
  });

  test("the token is a JWT as profiled by RFC 9068", async () => {
    const { accessToken, user } = await app.login("alice");
    const now = app.clock.now() / 1000;
    const { kid } = await app.latchkey.keys.signingKey();
    expect(decodeProtectedHeader(accessToken)).toEqual({ alg: "ES256", typ: "at+jwt", kid });
    expect(decodeJwt(accessToken)).toEqual({
      iss: "http://localhost:4000",
      aud: "latchkey",
      client_id: "latchkey",
      sub: user.id,
      sid: expect.any(String),
      jti: expect.any(String),
      iat: now,
      exp: now + 900,
      auth_time: now,
      amr: ["pwd"],
      roles: ["USER"],
      scope: "profile items:read items:write account",
    });
  });

  test.each([["ALICE"], ["alice@example.com"], ["Alice@Example.COM"], [" alice "], ["ａｌｉｃｅ"]])(
    "signs in alice as %j",
    async (username) => {
      expect((await app.login(username)).user.username).toBe("alice");
    },
  );

  test("answers an unknown user, a wrong password and a user without a password with the same bytes (rows 13, 18)", async () => {
    const { db } = app.latchkey;
    await app.createUser("passwordless");
    const { id } = (await app.login("passwordless")).user;
    await db.deleteFrom("credentials").where("user_id", "=", id).execute();

    const answers = await Promise.all([
      app.send(LOGIN, { username: "nobody", password: PASSWORD }),
      app.send(LOGIN, { username: "two words", password: PASSWORD }),
      app.send(LOGIN, { username: "alice", password: `${PASSWORD}!` }),
      app.send(LOGIN, { username: "passwordless", password: PASSWORD }),
      app.send(LOGIN, { username: "alice", password: "" }),
      app.send(LOGIN, { username: "alice", password: `${PASSWORD}\0` }),
      app.send(LOGIN, { username: "alice", password: "x".repeat(5000) }),
    ]);
    expect(answers[0]!.errors).toEqual(INVALID_CREDENTIALS);
    for (const answer of answers) {
      expect(answer.status).toBe(401);
      expect(answer.headers.get("www-authenticate")).toBe("Bearer");
      expect(answer.text).toBe(answers[0]!.text);
    }
  });

  test("compares the whole password exactly as sent, with its case and spaces (rows 3, 5)", async () => {
    const words = "żółwie śpią głęboko pod mostem nad rzeką ";
    const longest = words + "z".repeat(72 - Buffer.byteLength(words));
    expect(Buffer.byteLength(longest)).toBe(72);
    const accented = "deux ânes mangent du blé";
    await app.createUser("longest", longest);
    await app.createUser("accented", accented);
    await app.createUser("decomposed", accented.normalize("NFD"));
    await app.createUser("spaced", ` ${PASSWORD} `);
    expect((await app.login("longest", longest)).user.username).toBe("longest");
    expect((await app.login("spaced", ` ${PASSWORD} `)).user.username).toBe("spaced");
    expect((await app.login("accented", accented)).user.username).toBe("accented");
    expect((await app.login("decomposed", accented.normalize("NFD"))).user.username).toBe("decomposed");
    for (const [username, password] of [
      ["longest", `${longest}x`],
      ["spaced", PASSWORD],
      ["alice", ` ${PASSWORD}`],
      ["alice", `${PASSWORD} `],
      ["alice", PASSWORD.toUpperCase()],
      // The same text in another Unicode normalization form is a different password.
      ["accented", accented.normalize("NFD")],
      ["decomposed", accented],
    ] as const) {
      expect((await app.send(LOGIN, { username, password })).errors).toEqual(INVALID_CREDENTIALS);
    }
  });

  test("reports that the account is disabled, but only after a correct password", async () => {
    await app.createUser("disabled");
    await app.latchkey.operator.disable("disabled");
    const wrong = await app.send(LOGIN, { username: "disabled", password: "wrong" });
    expect(wrong.errors).toEqual(INVALID_CREDENTIALS);
    const right = await app.send(LOGIN, { username: "disabled", password: PASSWORD });
    expect(right.status).toBe(403);
    expect(right.errors).toEqual([
      expect.objectContaining({
        message: "This account has been disabled. Ask an administrator.",
        extensions: { code: "ACCOUNT_DISABLED" },
      }),
    ]);
  });

  test("works, even if the request has an expired token", async () => {
    const { accessToken } = await app.login("alice");
    app.clock.advance(HOUR);
    for (const token of [accessToken, "garbage", `${accessToken}x`]) {
      const { data } = await app.send(LOGIN, { username: "alice", password: PASSWORD }, { token });
      expect(data?.login.user.username).toBe("alice");
    }
  });

  test("names an invalid argument, without its value", async () => {
    const { status, errors, text } = await app.send(LOGIN, { username: "", password: PASSWORD });
    expect(status).toBe(400);
    expect(errors?.[0]?.extensions).toEqual({
      code: "BAD_USER_INPUT",
      violations: [
        {
          field: "username",
          rule: "text",
          message: "username must be 1 to 320 characters of well-formed text without NUL",
        },
      ],
    });
    expect(text).not.toContain(PASSWORD);
  });

  test("accepts a password after ten years: passwords do not expire (row 10)", async () => {
    const { user } = await app.login("alice");
    app.clock.advance(3653 * DAY);
    expect((await app.login("alice")).user).toEqual(user);
  });

  test("stores bcrypt hashes with the configured cost, 12 by default (row 11)", async () => {
    const { bcryptCost } = loadConfig({});
    const own = await makeApp({ database, config: { bcryptCost } });
    await own.createUser("alice");
    await own.createUser("bob");
    const change = { currentPassword: PASSWORD, newPassword: `another ${PASSWORD}` };
    await own.send(CHANGE_PASSWORD, change, { token: (await own.login("bob")).accessToken });
    const rows = await own.latchkey.db.selectFrom("credentials").select("password_hash").execute();
    expect(rows.map(({ password_hash }) => password_hash)).toEqual(
      Array(2).fill(expect.stringMatching(/^\$2b\$12\$[./A-Za-z0-9]{53}$/)),
    );
    await own.close();
  });

  test("rehashes the password if the stored hash has another cost, lower or higher, and only then (row 12)", async () => {
    await app.createUser("rehashed");
    const { id } = (await app.login("rehashed")).user;
    const hashOf = () => findPasswordHash(app.latchkey.db, id);
    const before = await hashOf();
    expect(before).toMatch(/^\$2b\$04\$/);

    others.push(await makeApp({ databaseUrl: app.databaseUrl, config: { bcryptCost: 5 } }));
    const [costlier] = others as [App];
    await Promise.all([costlier.login("rehashed"), costlier.login("rehashed"), costlier.login("rehashed")]);
    const after = await hashOf();
    expect(after).toMatch(/^\$2b\$05\$/);
    await costlier.login("rehashed");
    expect(await hashOf()).toBe(after);
    // Otherwise a login would take longer than for a user who does not exist.
    await app.login("rehashed");
    expect(await hashOf()).toMatch(/^\$2b\$04\$/);
  });

  test("a password that is replaced while it is checked neither signs in nor is restored (row 12)", async () => {
    // Checking the cheap hash takes no time, but rehashing the password afterwards does.
    others.push(
      await makeApp({ databaseUrl: app.databaseUrl, clock: app.clock, config: { bcryptCost: 12 } }),
    );
    const [costlier] = others as [App];
    const worked = async () => {
      const { text } = await costlier.request("/metrics");
      return Number(/^latchkey_password_work_seconds_count (\d+)$/m.exec(text)?.[1]);
    };
    const { id } = await app.createUser("changing");
    const newHash = bcrypt.hashSync(`another ${PASSWORD}`, 4);
    const login = costlier.send(LOGIN, { username: "changing", password: PASSWORD });
    const deadline = Date.now() + 10_000;
    while ((await worked()) === 0) {
      if (Date.now() > deadline) throw new Error("nothing was checked");
    }
    await setPasswordHash(app.latchkey.db, id, newHash, app.clock.now());
    expect(await worked()).toBe(1);
    expect((await login).errors).toEqual(INVALID_CREDENTIALS);
    expect(await findPasswordHash(app.latchkey.db, id)).toBe(newHash);
    const sessions = app.latchkey.db.selectFrom("sessions").select("id").where("user_id", "=", id);
    expect(await sessions.execute()).toEqual([]);
  });

  test("an import refuses a hash of a higher cost, which would take longer to check (rows 12, 18)", async () => {
    const lines = async function* () {
      for (const [line, cost] of [4, 5, 6].entries()) {
        const record = { username: `imported-${cost}`, email: `imported-${cost}@example.com` };
        yield { line, record: { ...record, password_hash: bcrypt.hashSync(PASSWORD, cost) } };
      }
    };
    others.push(await makeApp({ databaseUrl: app.databaseUrl, config: { bcryptCost: 5 } }));
    const [importing] = others as [App];
    expect(await importing.latchkey.userImport.import(lines(), () => {})).toEqual({
      created: 2,
      existing: 0,
      failed: [
        {
          line: 2,
          problem:
            "Invalid input: password_hash costs more than BCRYPT_COST: raise BCRYPT_COST to 6 to import it.",
        },
      ],
    });
  });

  test("salts every hash separately", async () => {
    const hashes = await app.latchkey.db.selectFrom("credentials").select("password_hash").execute();
    const salts = hashes.map(({ password_hash }) => password_hash.slice(7, 29));
    expect(salts.length).toBeGreaterThan(2);
    expect(new Set(salts).size).toBe(salts.length);
  });
});
