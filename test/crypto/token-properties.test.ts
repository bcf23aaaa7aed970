import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { App } from "../support/app.js";
import { REFRESH } from "../support/operations.js";
import {
  encoded,
  expectRefused,
  introspect,
  issue,
  type Json,
  makeTokenApp,
  signedLike,
  TOKEN_SETUPS,
} from "../support/tokens.js";

const BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** A fixed seed, so that a failure is reproducible. */
/** The first 16 bytes, which all refresh tokens of a session share. */
const familyOf = (token: string) => Buffer.from(token, "base64url").subarray(0, 16);

const runs = (numRuns: number) => ({ seed: 20260101, numRuns });

const character = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...BASE64URL) },
  { weight: 2, arbitrary: fc.constantFrom(..."=.+/ ~,;\"'\\%&\0\r\n\t") },
  { weight: 1, arbitrary: fc.string({ unit: "binary", minLength: 1, maxLength: 1 }) },
);

/** One character substituted, inserted, deleted, or swapped with the next. */
const edit = fc.record({
  at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  how: fc.constantFrom("substitute", "insert", "delete", "swap"),
  character,
});

function edited(
  text: string,
  { at, how, character }: { at: number; how: string; character: string },
): string {
  const n = Math.floor(at * (text.length + (how === "insert" ? 1 : 0)));
  const [before, rest] = [text.slice(0, n), text.slice(n)];
  if (how === "insert") return before + character + rest;
  if (how === "delete") return before + rest.slice(1);
  if (how === "swap") return before + rest.slice(1, 2) + rest.slice(0, 1) + rest.slice(2);
  return before + character + rest.slice(1);
}

/** Any JSON value, and values that a verifier is likely to confuse with a claim or a header parameter. */
const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom<unknown>("", "\0", "\ud800", "none", "latchkey", "at+jwt", "HS256", "ES256", "EdDSA"),
  fc.constantFrom<unknown>(0, -1, 0.5, 1e300, Number.MAX_SAFE_INTEGER, [], {}, null, true, [null], ["USER"]),
);

/** A change to an object: its members removed or given another value, and new members added. */
const changeOf = (members: string[]) =>
  fc.record({
    removed: fc.subarray(members),
    replaced: fc.dictionary(fc.constantFrom(...members), anything, { maxKeys: 2 }),
    added: fc.dictionary(
      fc.oneof(
        fc.constantFrom("nbf", "crit", "b64", "jwk", "jku", "cty", "zip", "scope", "__proto__"),
        fc.string(),
      ),
      anything,
      { maxKeys: 2 },
    ),
  });

type Change = { removed: string[]; replaced: Json; added: Json };

function changed(json: Json, { removed, replaced, added }: Change): Json {
  const kept = Object.entries(json).filter(([name]) => !removed.includes(name));
  return Object.fromEntries([...kept, ...Object.entries(replaced), ...Object.entries(added)]);
}

const CLAIMS = [
  "iss",
  "aud",
  "client_id",
  "sub",
  "sid",
  "jti",
  "auth_time",
  "amr",
  "roles",
  "scope",
  "iat",
  "exp",
];
const HEADER = ["alg", "typ", "kid"];

describe.each(TOKEN_SETUPS)(
  "tokens of %s on %s, changed in any way (rows 22, 27, 30)",
  (algorithm, database) => {
    let app: App;
    let token: string;
    let header: Json;
    let claims: Json;
    beforeAll(async () => {
      ({ app, token, header, claims } = await makeTokenApp(algorithm, database));
    });
    afterAll(() => app.close());

    const refusedUnlessSame = async (other: string) => {
      if (other !== token) await expectRefused(app, other);
    };

    test("the token that the changes below start from is valid", async () => {
      expect((await introspect(app, token)).json).toMatchObject({ active: true, sub: claims["sub"] });
      expect(Object.keys(claims).sort()).toEqual([...CLAIMS].sort());
      expect(Object.keys(header).sort()).toEqual([...HEADER].sort());
    });

    test("one character: refused, or the same token", async () => {
      await fc.assert(
        fc.asyncProperty(edit, async (how) => refusedUnlessSame(edited(token, how))),
        runs(250),
      );
    });

    test("several characters: refused, or the same token", async () => {
      const edits = fc.array(edit, { minLength: 2, maxLength: 8 });
      await fc.assert(
        fc.asyncProperty(edits, async (all) => refusedUnlessSame(all.reduce(edited, token))),
        runs(60),
      );
    });

    test("parts cut, repeated, reordered, or those of another valid token: refused, or the same token", async () => {
      app.clock.advance(1000);
      const { token: second } = await issue(app, "alice");
      const parts = [...token.split("."), ...second.split("."), "", "e30"];
      const arrangement = fc
        .array(fc.constantFrom(...parts), { maxLength: 6 })
        .filter((chosen) => chosen.join(".") !== second);
      await fc.assert(
        fc.asyncProperty(arrangement, async (chosen) => refusedUnlessSame(chosen.join("."))),
        runs(100),
      );
    });

    test("a header or claims changed under the old signature: refused, or the same token", async () => {
      const [head, payload, signature] = token.split(".");
      await fc.assert(
        fc.asyncProperty(changeOf(HEADER), changeOf(CLAIMS), fc.nat(2), async (ofHeader, ofClaims, which) => {
          const newHead = which === 1 ? head : encoded(changed(header, ofHeader));
          const newPayload = which === 0 ? payload : encoded(changed(claims, ofClaims));
          await refusedUnlessSame(`${newHead}.${newPayload}.${signature}`);
        }),
        runs(150),
      );
    });

    /** The rules for the content of a token signed by our own key, stated independently of the implementation. */
    function isGood(head: Json, said: Json): boolean {
      const now = Math.floor(app.clock.now() / 1000);
      const { iat, exp, nbf, roles, scope, jti, auth_time, amr } = said;
      const same = ["iss", "aud", "sub", "sid"].every((name) => said[name] === claims[name]);
      const type = String(head["typ"]).toLowerCase();
      return (
        Object.keys(head).length === 3 &&
        head["alg"] === header["alg"] &&
        head["kid"] === header["kid"] &&
        typeof head["typ"] === "string" &&
        (type === "at+jwt" || type === "application/at+jwt") &&
        same &&
        typeof jti === "string" &&
        Number.isSafeInteger(auth_time) &&
        Array.isArray(amr) &&
        amr.every((method) => typeof method === "string") &&
        Number.isSafeInteger(iat) &&
        Number.isSafeInteger(exp) &&
        (exp as number) > now &&
        (exp as number) > (iat as number) &&
        (iat as number) <= now + 5 &&
        (nbf === undefined || (typeof nbf === "number" && nbf <= now)) &&
        Array.isArray(roles) &&
        roles.every((role) => typeof role === "string") &&
        typeof scope === "string"
      );
    }

    test("any content signed by our own key: accepted if and only if all of it is valid", async () => {
      const outcomes = { good: 0, bad: 0 };
      await fc.assert(
        fc.asyncProperty(
          fc.option(changeOf(HEADER), { freq: 1, nil: undefined }),
          fc.option(changeOf(CLAIMS), { freq: 4, nil: undefined }),
          async (ofHeader, ofClaims) => {
            const head = ofHeader ? changed(header, ofHeader) : header;
            const said = ofClaims ? changed(claims, ofClaims) : claims;
            const { status, json } = await introspect(app, await signedLike(app, head, said));
            const good = isGood(head, said);
            expect({ status, active: json.active }).toEqual({ status: 200, active: good });
            if (good)
              expect(json).toMatchObject({ sub: claims["sub"], sid: claims["sid"], username: "alice" });
            outcomes[good ? "good" : "bad"]++;
          },
        ),
        runs(250),
      );
      // Both outcomes occurred often enough for the test to mean something.
      expect(Math.min(outcomes.good, outcomes.bad)).toBeGreaterThan(20);
    });

    test("a changed refresh token is refused and has no effect", async () => {
      const { refreshToken } = await app.login("alice");
      await fc.assert(
        fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 3 }), async (edits) => {
          const other = edits.reduce(edited, refreshToken);
          // A token that shares the session's part counts as consumed: see the next test.
          if (familyOf(other).equals(familyOf(refreshToken))) return;
          const { status, data, errors } = await app.send(REFRESH, { refreshToken: other });
          expect(data).toBeNull();
          const readable = other.isWellFormed() && !other.includes("\0");
          expect([status, errors?.[0]?.extensions?.["code"]]).toEqual(
            readable ? [200, "INVALID_TOKEN"] : [400, "BAD_USER_INPUT"],
          );
        }),
        runs(60),
      );
      expect((await app.send(REFRESH, { refreshToken })).data).toBeTruthy();
    });

    test("a refresh token that shares the session's part counts as a consumed one", async () => {
      // The last character has two unused bits.
      for (const last of [...BASE64URL].slice(0, 8)) {
        const { refreshToken } = await app.login("alice");
        const other = refreshToken.slice(0, -1) + last;
        if (other === refreshToken) continue;
        expect((await app.send(REFRESH, { refreshToken: other })).data).toBeNull();
        expect((await app.send(REFRESH, { refreshToken })).data).toBeNull();
      }
    });
  },
);
