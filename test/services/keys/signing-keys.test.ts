import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, test } from "@jest/globals";
import { decodeProtectedHeader, jwtVerify } from "jose";
import { sql } from "kysely";
import { MINUTE } from "../../../src/clock.js";
import { makeApp } from "../../support/app.js";
import { DATABASES } from "../../support/databases.js";
import { ME } from "../../support/operations.js";

/** Both have 128 bits of security. */
const CURVES = { ES256: "P-256", EdDSA: "Ed25519" };

/** Another service, in a process of its own, that knows only the URL of the key set. */
const VERIFIER = `
  import { createRemoteJWKSet, jwtVerify } from "jose";
  const [, jwks, token, at] = process.argv;
  const options = { issuer: "http://localhost:4000", audience: "latchkey", typ: "at+jwt", currentDate: new Date(Number(at)) };
  const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(jwks)), options);
  console.log(payload.sub);
`;

describe.each(DATABASES)("signing keys on %s", (database) => {
  test.each(["ES256", "EdDSA"] as const)(
    "another service verifies a token signed with %s by the key set (row 24)",
    async (algorithm) => {
      const app = await makeApp({ database, config: { algorithm } });
      await app.createUser("alice");
      const { accessToken, user } = await app.login("alice");

      const jwks = await app.request("/.well-known/jwks.json");
      expect(jwks.headers.get("content-type")).toBe("application/jwk-set+json; charset=utf-8");
      expect(jwks.headers.get("cache-control")).toBe("public, max-age=30");
      const { keys } = JSON.parse(jwks.text);
      expect(keys).toEqual([
        expect.objectContaining({
          alg: algorithm,
          use: "sig",
          kid: expect.any(String),
          crv: CURVES[algorithm],
        }),
      ]);
      expect(keys[0]).not.toHaveProperty("d");

      const { stdout } = await promisify(execFile)(process.execPath, [
        "--input-type=module",
        "--eval",
        VERIFIER,
        `${app.address}/.well-known/jwks.json`,
        accessToken,
        String(app.clock.now()),
      ]);
      expect(stdout.trim()).toBe(user.id);
      await app.close();
    },
  );

  test("a failure to read the keys is not kept by caches", async () => {
    const app = await makeApp({ database });
    await sql`alter table signing_keys rename to gone`.execute(app.latchkey.db);
    const { status, headers } = await app.request("/.well-known/jwks.json");
    expect([status, headers.get("cache-control")]).toEqual([500, "no-store"]);
    await app.close();
  });

  test("with HS256 the key is the bytes of SECRET_KEY, and no key is published", async () => {
    const app = await makeApp({ database, env: { ALGORITHM: "HS256" } });
    await app.createUser("alice");
    const { accessToken } = await app.login("alice");
    const key = new TextEncoder().encode(app.config.secretKey);
    const { protectedHeader } = await jwtVerify(accessToken, key, {
      algorithms: ["HS256"],
      currentDate: new Date(app.clock.now()),
    });
    expect(protectedHeader).toEqual({ alg: "HS256", typ: "at+jwt", kid: "HS256" });
    expect((await app.send(ME, {}, { token: accessToken })).data?.me.username).toBe("alice");
    expect((await app.request("/.well-known/jwks.json")).text).toBe('{"keys":[]}');
    await app.close();
  });

  test("apps that start concurrently on one database share one key, which survives a restart", async () => {
    const first = await makeApp({ database });
    const others = await Promise.all([1, 2, 3].map(() => makeApp({ databaseUrl: first.databaseUrl })));
    const apps = [first, ...others];
    const kids = await Promise.all(apps.map(async ({ latchkey }) => (await latchkey.keys.signingKey()).kid));
    expect(new Set(kids).size).toBe(1);
    await first.createUser("alice");
    const { accessToken } = await first.login("alice");
    for (const app of others) {
      expect((await app.send(ME, {}, { token: accessToken })).data?.me.username).toBe("alice");
    }
    await Promise.all(apps.map((app) => app.close()));
  });

  test("the private key is stored encrypted (row 33); another SECRET_KEY does not decrypt it and overwrites nothing", async () => {
    const app = await makeApp({ database });
    await app.latchkey.keys.signingKey();
    const rows = () => app.latchkey.db.selectFrom("signing_keys").selectAll().execute();
    const before = await rows();
    expect(before).toHaveLength(1);
    const encrypted = Buffer.from(before[0]!.sealed_private_key!, "base64url").toString("latin1");
    await app.request("/.well-known/jwks.json");
    expect(JSON.stringify(before) + encrypted).not.toContain("PRIVATE KEY");
    expect(app.seen.join()).not.toMatch(/PRIVATE KEY|"d":/);
    expect(app.seen.join()).not.toContain(before[0]!.sealed_private_key);

    const stranger = await makeApp({
      databaseUrl: app.databaseUrl,
      env: { SECRET_KEY: "another secret key of more than 32 bytes" },
    });
    await expect(stranger.latchkey.keys.signingKey()).rejects.toThrow(
      "SECRET_KEY is not the one that the signing key in the database is encrypted under: start with that one, or set it as PREVIOUS_SECRET_KEY",
    );
    expect(await rows()).toEqual(before);
    await stranger.close();
    await app.close();
  });

  test("SECRET_KEY is changed by one start with the old one as PREVIOUS_SECRET_KEY", async () => {
    const OLD = "the old secret key, 32 bytes or more";
    const NEW = "the new secret key, 32 bytes or more";
    const before = await makeApp({ database, env: { SECRET_KEY: OLD } });
    await before.createUser("alice");
    const { accessToken } = await before.login("alice");
    const { databaseUrl, clock } = before;

    const during = await makeApp({ databaseUrl, clock, env: { SECRET_KEY: NEW, PREVIOUS_SECRET_KEY: OLD } });
    expect((await during.send(ME, {}, { token: accessToken })).status).toBe(200);
    const { kid } = await during.latchkey.keys.signingKey();
    // The app that still runs with the old secret keeps using the key that it has decrypted.
    clock.advance(MINUTE);
    expect(decodeProtectedHeader((await before.login("alice")).accessToken).kid).toBe(kid);

    const after = await makeApp({ databaseUrl, clock, env: { SECRET_KEY: NEW } });
    expect((await after.latchkey.keys.signingKey()).kid).toBe(kid);
    const left = await makeApp({ databaseUrl, clock, env: { SECRET_KEY: OLD } });
    await expect(left.latchkey.keys.signingKey()).rejects.toThrow("SECRET_KEY is not the one");
    for (const app of [before, during, after, left]) await app.close();
  });
});
