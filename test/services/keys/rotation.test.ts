import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "@jest/globals";
import { decodeProtectedHeader } from "jose";
import { MINUTE } from "../../../src/clock.js";
import { WrongSecretKeyError } from "../../../src/errors.js";
import { supersedeSigningKey } from "../../../src/storage/signing-keys.js";
import { type App, makeApp, withRefreshToken } from "../../support/app.js";
import { DATABASES } from "../../support/databases.js";
import { hold } from "../../support/held.js";
import { ME, REFRESH } from "../../support/operations.js";

describe.each(DATABASES)("signing keys on %s", (database) => {
  test("a change of ALGORITHM is a rotation (row 33)", async () => {
    const before = await makeApp({ database, config: { algorithm: "ES256" } });
    await before.createUser("alice");
    const { accessToken } = await before.login("alice");
    const after = await makeApp({
      databaseUrl: before.databaseUrl,
      config: { algorithm: "EdDSA" },
      clock: before.clock,
    });
    expect((await after.send(ME, {}, { token: accessToken })).data?.me.username).toBe("alice");
    before.clock.advance(MINUTE);
    // A process that was started with the other algorithm follows the database.
    for (const app of [after, before]) {
      expect(decodeProtectedHeader((await app.login("alice")).accessToken).alg).toBe("EdDSA");
    }
    await before.close();
    await after.close();
  });

  describe("rotation (row 33)", () => {
    /** Two apps on one database, in place of two processes. */
    async function twoApps() {
      const here = await makeApp({ database });
      const there = await makeApp({ databaseUrl: here.databaseUrl, clock: here.clock });
      await here.createUser("alice");
      await there.login("alice");
      return { here, there, clock: here.clock, close: () => Promise.all([here.close(), there.close()]) };
    }
    const kidOf = (token: string) => decodeProtectedHeader(token).kid;
    const publicKids = async (app: App): Promise<string[]> =>
      JSON.parse((await app.request("/.well-known/jwks.json")).text)
        .keys.map(({ kid }: { kid: string }) => kid)
        .sort();
    const isAccepted = async (app: App, token: string) => (await app.send(ME, {}, { token })).status === 200;

    test("a new key is published immediately, by all processes before it signs, and signs a minute later", async () => {
      const { here, there, clock, close } = await twoApps();
      const { accessToken: old } = await here.login("alice");
      const { kid, signsFrom } = await here.latchkey.signingKeys!.rotate();
      expect(signsFrom).toBe(clock.now() + MINUTE);
      expect(await publicKids(here)).toEqual([kidOf(old), kid].sort());
      clock.advance(30_000);
      expect(await publicKids(there)).toEqual([kidOf(old), kid].sort());
      clock.advance(29_999);
      for (const app of [here, there]) expect(kidOf((await app.login("alice")).accessToken)).toBe(kidOf(old));
      clock.advance(1);
      for (const app of [here, there]) {
        const { accessToken: fresh } = await app.login("alice");
        expect(kidOf(fresh)).toBe(kid);
        for (const verifier of [here, there]) {
          expect(await isAccepted(verifier, fresh)).toBe(true);
          expect(await isAccepted(verifier, old)).toBe(true);
        }
      }
      await close();
    });

    test("KEY_ANNOUNCE_SECONDS is how long a new key is published before it signs", async () => {
      const app = await makeApp({ database, env: { KEY_ANNOUNCE_SECONDS: "600" } });
      await app.createUser("alice");
      const { accessToken: old } = await app.login("alice");
      const { kid, signsFrom } = await app.latchkey.signingKeys!.rotate();
      expect(signsFrom).toBe(app.clock.now() + 10 * MINUTE);
      app.clock.advance(10 * MINUTE - 1);
      expect(kidOf((await app.login("alice")).accessToken)).toBe(kidOf(old));
      app.clock.advance(1);
      expect(kidOf((await app.login("alice")).accessToken)).toBe(kid);
    });

    test("the old key verifies until the last token it signed has expired, then leaves the key set", async () => {
      const { here, there, clock, close } = await twoApps();
      const { kid } = await here.latchkey.signingKeys!.rotate();
      clock.advance(MINUTE - 1000);
      const { accessToken: last } = await there.login("alice");
      clock.advance(15 * MINUTE - 1000);
      expect(await isAccepted(there, last)).toBe(true);
      expect(await publicKids(there)).toEqual([kidOf(last), kid].sort());
      clock.advance(2000);
      expect(await publicKids(there)).toEqual([kid]);
      // Only once it has also expired by a clock that is behind.
      clock.advance(6000);
      await here.latchkey.jobs.runDue();
      expect(await here.latchkey.db.selectFrom("signing_keys").select("kid").execute()).toEqual([{ kid }]);
      await close();
    });

    test("after all clocks were set back a process still reads the keys again", async () => {
      const { here, there, clock, close } = await twoApps();
      try {
        clock.advance(-60 * MINUTE);
        await here.latchkey.signingKeys!.rotate();
        clock.advance(MINUTE);
        expect(await isAccepted(there, (await here.login("alice")).accessToken)).toBe(true);
      } finally {
        await close();
      }
    });

    test("a key is superseded once: a second time changes nothing", async () => {
      const app = await makeApp({ database });
      try {
        const { kid } = await app.latchkey.keys.signingKey();
        const { db } = app.latchkey;
        const rows = () => db.selectFrom("signing_keys").select(["kid", "superseded_at"]).execute();
        expect(await supersedeSigningKey(db, kid, 1000)).toBe(true);
        expect(await supersedeSigningKey(db, kid, 2000)).toBe(false);
        expect(await rows()).toEqual([{ kid, superseded_at: 1000 }]);
      } finally {
        await app.close();
      }
    });

    test("algorithm and lifetime come from the database, not from the process that rotates", async () => {
      const server = await makeApp({ database, env: { ACCESS_TOKEN_EXPIRE_MINUTES: "60" } });
      const { databaseUrl, clock } = server;
      const operator = await makeApp({
        databaseUrl,
        clock,
        env: { ALGORITHM: "EdDSA", ACCESS_TOKEN_EXPIRE_MINUTES: "15" },
      });
      try {
        await server.createUser("alice");
        await server.login("alice");
        for (let n = 0; n < 2; n++) {
          await operator.latchkey.signingKeys!.rotate();
          clock.advance(MINUTE - 1000);
          const { accessToken: last } = await server.login("alice");
          clock.advance(1000);
          const { accessToken: next } = await server.login("alice");
          expect([last, next].map((token) => decodeProtectedHeader(token).alg)).toEqual(["ES256", "ES256"]);
          expect(kidOf(next)).not.toBe(kidOf(last));
          clock.advance(59 * MINUTE + 58_000);
          await server.latchkey.jobs.runDue();
          expect(await isAccepted(server, last)).toBe(true);
          clock.advance(MINUTE);
          await server.latchkey.jobs.runDue();
        }
      } finally {
        await server.close();
        await operator.close();
      }
    });

    test("tokens with the longer lifetime of a new server verify until they expire, even if the next key does not sign yet", async () => {
      const { here, clock, close } = await twoApps();
      await here.latchkey.signingKeys!.rotate();
      const longer = await makeApp({
        databaseUrl: here.databaseUrl,
        clock,
        env: { ACCESS_TOKEN_EXPIRE_MINUTES: "60" },
      });
      try {
        const { accessToken: last } = await longer.login("alice");
        clock.advance(2 * MINUTE);
        const { accessToken: next } = await longer.login("alice");
        expect(kidOf(next)).not.toBe(kidOf(last));
        await here.latchkey.signingKeys!.rotate();
        clock.advance(57 * MINUTE);
        for (const token of [last, next]) expect(await isAccepted(here, token)).toBe(true);
      } finally {
        await longer.close();
        await close();
      }
    });

    test("with another SECRET_KEY no key is rotated", async () => {
      const { here, clock, close } = await twoApps();
      const stranger = await makeApp({
        databaseUrl: here.databaseUrl,
        clock,
        env: { SECRET_KEY: "another secret key of more than 32 bytes" },
      });
      try {
        const rows = () => here.latchkey.db.selectFrom("signing_keys").selectAll().execute();
        const before = await rows();
        await expect(stranger.latchkey.signingKeys!.rotate()).rejects.toThrow(WrongSecretKeyError);
        expect(await rows()).toEqual(before);
        clock.advance(MINUTE);
        await here.login("alice");
      } finally {
        await stranger.close();
        await close();
      }
    });

    test("the tokens of a retired key are refused; a key that still signs cannot be retired", async () => {
      const { here, there, clock, close } = await twoApps();
      const { accessToken: old } = await here.login("alice");
      const { kid } = await here.latchkey.signingKeys!.rotate();
      for (const signing of [kid, kidOf(old)!]) {
        await expect(here.latchkey.signingKeys!.retire(signing)).rejects.toMatchObject({
          code: "NOT_FOUND",
          message: "There is no such key, or it still signs: rotate, and retire it when the new key signs.",
        });
      }
      clock.advance(MINUTE);
      await here.latchkey.signingKeys!.retire(kidOf(old)!);
      expect(await isAccepted(here, old)).toBe(false);
      expect(await publicKids(here)).toEqual([kid]);
      clock.advance(30_000);
      expect(await isAccepted(there, old)).toBe(false);
      const events = await here.latchkey.db.selectFrom("audit_events").select(["type", "details"]).execute();
      const ofKeys = events.filter(({ type }) => type.startsWith("SIGNING_KEY"));
      expect(ofKeys).toHaveLength(3);
      expect(ofKeys).toEqual(
        expect.arrayContaining([
          { type: "SIGNING_KEY_ROTATED", details: JSON.stringify({ kid: kidOf(old) }) },
          { type: "SIGNING_KEY_ROTATED", details: JSON.stringify({ kid, superseded: kidOf(old) }) },
          { type: "SIGNING_KEY_RETIRED", details: JSON.stringify({ kid: kidOf(old) }) },
        ]),
      );
      await close();
    });

    test("listing the keys changes nothing", async () => {
      const app = await makeApp({ database });
      expect(await app.latchkey.signingKeys!.list()).toEqual([]);
      await app.latchkey.keys.signingKey();
      const other = await makeApp({ databaseUrl: app.databaseUrl, config: { algorithm: "EdDSA" } });
      expect(await other.latchkey.signingKeys!.list()).toEqual([
        expect.objectContaining({ algorithm: "ES256" }),
      ]);
      await app.close();
      await other.close();
    });

    test("under a steady load of `me` no valid token is refused", async () => {
      const { here, there, clock, close } = await twoApps();
      let rotating = true;
      let asked = 0;
      const load = async (app: App) => {
        let { accessToken: token, refreshToken } = await app.login("alice");
        while (rotating) {
          for (const verifier of [here, there]) expect(await isAccepted(verifier, token)).toBe(true);
          asked += 2;
          if (asked % 10 === 0) {
            const { data } = await app.send(REFRESH, { refreshToken });
            ({ accessToken: token, refreshToken } = withRefreshToken(data!.refreshToken));
          }
        }
      };
      const loads = [load(here), load(there), load(here), load(there)];
      for (let n = 0; n < 10; n++) {
        await setTimeout(25);
        await (n % 2 ? here : there).latchkey.signingKeys!.rotate();
        await setTimeout(25);
        clock.advance(MINUTE);
      }
      rotating = false;
      await Promise.all(loads);
      expect(asked).toBeGreaterThan(50);
      expect(await here.latchkey.signingKeys!.list()).toHaveLength(11);
      await close();
    });
  });
});

test("of two processes that rotate concurrently one creates the next key, and both return it, on postgres (rows 33, 71)", async () => {
  const here = await makeApp({ database: "postgres" });
  const there = await makeApp({ databaseUrl: here.databaseUrl, clock: here.clock });
  const { kid } = await here.latchkey.keys.signingKey();
  // Both have read which key is the newest, and wait for its row.
  const held = await hold(here, [`update signing_keys set kid = kid where kid = '${kid}'`]);
  try {
    const rotations = Promise.all([here, there].map(({ latchkey }) => latchkey.signingKeys!.rotate()));
    await held.waited(2);
    await held.commit();
    const [first, second] = await rotations;
    expect(second!.kid).toBe(first!.kid);
    expect((await here.latchkey.signingKeys!.list()).map((key) => key.kid).sort()).toEqual(
      [kid, first!.kid].sort(),
    );
    const events = await here.latchkey.db
      .selectFrom("audit_events")
      .select("details")
      .where("type", "=", "SIGNING_KEY_ROTATED")
      .orderBy("id")
      .execute();
    expect(events.map(({ details }) => JSON.parse(details))).toEqual([
      { kid },
      { kid: first!.kid, superseded: kid },
    ]);
  } finally {
    await held.commit();
    await here.close();
    await there.close();
  }
});
