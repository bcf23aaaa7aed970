import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { MINUTE } from "../../src/clock.js";
import { type App, makeApp } from "../support/app.js";
import {
  encoded,
  expectAccepted,
  expectRefused,
  INTROSPECTION_SECRET,
  issue,
  type Json,
  makeTokenApp,
  signedLike,
  TOKEN_SETUPS,
} from "../support/tokens.js";

type Reason = "INVALID_TOKEN" | "TOKEN_EXPIRED";
interface Ours {
  now: number;
  iss: string;
  sub: string;
  sid: string;
}

/** Changed claims, signed by our own key. Times are in seconds. */
const CLAIMS: [name: string, change: (ours: Ours) => Json, expected: "accepted" | Reason][] = [
  // Row 26: to the second.
  ["exp in a second", ({ now }) => ({ exp: now + 1, iat: now - 900 }), "accepted"],
  ["exp now", ({ now }) => ({ exp: now, iat: now - 900 }), "TOKEN_EXPIRED"],
  ["exp a second ago", ({ now }) => ({ exp: now - 1, iat: now - 900 }), "TOKEN_EXPIRED"],
  ["exp missing", () => ({ exp: undefined }), "INVALID_TOKEN"],
  ["exp text", ({ now }) => ({ exp: `${now + 900}` }), "INVALID_TOKEN"],
  ["exp null", () => ({ exp: null }), "INVALID_TOKEN"],
  ["exp as text NaN", () => ({ exp: "NaN" }), "INVALID_TOKEN"],
  ["exp in milliseconds, too large", () => ({ exp: 1e300 }), "INVALID_TOKEN"],
  ["exp negative", () => ({ exp: -1 }), "TOKEN_EXPIRED"],
  ["exp zero", () => ({ exp: 0 }), "TOKEN_EXPIRED"],
  ["exp fractional", ({ now }) => ({ exp: now + 900.5 }), "INVALID_TOKEN"],
  ["exp a list", ({ now }) => ({ exp: [now + 900] }), "INVALID_TOKEN"],
  ["exp true", () => ({ exp: true }), "INVALID_TOKEN"],
  ["exp before iat", ({ now }) => ({ iat: now + 4, exp: now + 4 }), "INVALID_TOKEN"],
  ["nbf now", ({ now }) => ({ nbf: now }), "accepted"],
  ["nbf in a second", ({ now }) => ({ nbf: now + 1 }), "INVALID_TOKEN"],
  ["nbf text", () => ({ nbf: "0" }), "INVALID_TOKEN"],
  ["nbf null", () => ({ nbf: null }), "INVALID_TOKEN"],
  ["iat 5 seconds ahead, as another process's clock may be", ({ now }) => ({ iat: now + 5 }), "accepted"],
  ["iat 6 seconds ahead", ({ now }) => ({ iat: now + 6 }), "INVALID_TOKEN"],
  ["iat missing", () => ({ iat: undefined }), "INVALID_TOKEN"],
  ["iat text", ({ now }) => ({ iat: `${now}` }), "INVALID_TOKEN"],
  ["iat fractional", ({ now }) => ({ iat: now - 0.5 }), "INVALID_TOKEN"],
  // Row 28: exactly as we issue them. RFC 9068 allows a list of audiences, but we issue a string, so a list is not ours.
  ["iss with a slash", ({ iss }) => ({ iss: `${iss}/` }), "INVALID_TOKEN"],
  ["iss in another case", () => ({ iss: "HTTP://LOCALHOST:4000" }), "INVALID_TOKEN"],
  ["iss with a longer port", () => ({ iss: "http://localhost:40000" }), "INVALID_TOKEN"],
  ["iss a list", () => ({ iss: ["http://localhost:4000"] }), "INVALID_TOKEN"],
  ["iss null", () => ({ iss: null }), "INVALID_TOKEN"],
  ["iss missing", () => ({ iss: undefined }), "INVALID_TOKEN"],
  ["aud of another", () => ({ aud: "other" }), "INVALID_TOKEN"],
  ["aud in another case", () => ({ aud: "Latchkey" }), "INVALID_TOKEN"],
  ["aud a list of ours", () => ({ aud: ["latchkey"] }), "INVALID_TOKEN"],
  ["aud a list with ours", () => ({ aud: ["other", "latchkey"] }), "INVALID_TOKEN"],
  ["aud an empty list", () => ({ aud: [] }), "INVALID_TOKEN"],
  ["aud missing", () => ({ aud: undefined }), "INVALID_TOKEN"],
  // Row 29: sub and sid name a user and a session of that user.
  ["sub unknown", () => ({ sub: "0190a0a0-0000-7000-8000-000000000000" }), "INVALID_TOKEN"],
  ["sub the username", () => ({ sub: "alice" }), "INVALID_TOKEN"],
  ["sub empty", () => ({ sub: "" }), "INVALID_TOKEN"],
  ["sub a list", ({ sub }) => ({ sub: [sub] }), "INVALID_TOKEN"],
  ["sub missing", () => ({ sub: undefined }), "INVALID_TOKEN"],
  ["sid unknown", () => ({ sid: "0190a0a0-0000-7000-8000-000000000000" }), "INVALID_TOKEN"],
  ["sid that no database can store", () => ({ sid: "a\0b" }), "INVALID_TOKEN"],
  ["sid a lone surrogate", () => ({ sid: "\ud800" }), "INVALID_TOKEN"],
  ["sid in capitals", ({ sid }) => ({ sid: `${sid}`.toUpperCase() }), "INVALID_TOKEN"],
  ["sid a list", ({ sid }) => ({ sid: [sid] }), "INVALID_TOKEN"],
  ["sid missing", () => ({ sid: undefined }), "INVALID_TOKEN"],
  ["jti a number", () => ({ jti: 1 }), "INVALID_TOKEN"],
  ["jti missing", () => ({ jti: undefined }), "INVALID_TOKEN"],
  ["auth_time text", () => ({ auth_time: "0" }), "INVALID_TOKEN"],
  ["auth_time fractional", () => ({ auth_time: 0.5 }), "INVALID_TOKEN"],
  ["auth_time missing", () => ({ auth_time: undefined }), "INVALID_TOKEN"],
  ["amr text", () => ({ amr: "pwd" }), "INVALID_TOKEN"],
  ["amr of numbers", () => ({ amr: [1] }), "INVALID_TOKEN"],
  ["amr missing", () => ({ amr: undefined }), "INVALID_TOKEN"],
  ["roles text", () => ({ roles: "ADMIN" }), "INVALID_TOKEN"],
  ["roles of numbers", () => ({ roles: [1] }), "INVALID_TOKEN"],
  ["roles missing", () => ({ roles: undefined }), "INVALID_TOKEN"],
  ["scope a list", () => ({ scope: ["admin"] }), "INVALID_TOKEN"],
  ["scope missing", () => ({ scope: undefined }), "INVALID_TOKEN"],
];

describe.each(TOKEN_SETUPS)("the claims of access tokens with %s on %s", (algorithm, database) => {
  let app: App;
  let header: Json;
  let claims: Json;
  beforeAll(async () => {
    ({ app, header, claims } = await makeTokenApp(algorithm, database));
  });
  afterAll(() => app.close());

  test.each(CLAIMS)("%s: %s (rows 26, 28, 29)", async (_name, change, expected) => {
    const now = Math.floor(app.clock.now() / 1000);
    const changed = { ...claims, ...change({ ...(claims as unknown as Ours), now }) };
    const hostile = await signedLike(app, header, changed);
    if (expected === "accepted") await expectAccepted(app, hostile, "alice");
    else await expectRefused(app, hostile, expected);
  });
});

describe("tokens of another Latchkey", () => {
  test("with the same SECRET_KEY are refused: another issuer, another audience, another database (row 28)", async () => {
    for (const algorithm of ["HS256", "ES256"]) {
      const env = { ALGORITHM: algorithm, INTROSPECTION_SECRET };
      const here = await makeApp({ env });
      await here.createUser("alice");
      const shared = { databaseUrl: here.databaseUrl, clock: here.clock };
      const others = [
        await makeApp({ ...shared, env: { ...env, PUBLIC_URL: "http://localhost:4001" } }),
        await makeApp({ ...shared, env: { ...env, TOKEN_AUDIENCE: "other" } }),
        await makeApp({ env }),
      ];
      await others[2]!.createUser("alice");
      for (const there of others) {
        const { token } = await issue(there, "alice");
        await expectAccepted(there, token, "alice");
        await expectRefused(here, token);
      }
      for (const app of [here, ...others]) await app.close();
    }
  });

  test("of another ALGORITHM verify until they expire if signed by a key pair, and no longer if signed with HS256 (row 23)", async () => {
    const env = { INTROSPECTION_SECRET };
    const first = await makeApp({ env: { ...env, ALGORITHM: "ES256" } });
    await first.createUser("alice");
    const on = (ALGORITHM: string) =>
      makeApp({ databaseUrl: first.databaseUrl, clock: first.clock, env: { ...env, ALGORITHM } });
    const es256 = await issue(first, "alice");
    expect(es256.header["alg"]).toBe("ES256");

    const second = await on("EdDSA");
    await second.latchkey.keys.signingKey();
    first.clock.advance(MINUTE);
    const eddsa = await issue(second, "alice");
    expect(eddsa.header["alg"]).toBe("EdDSA");
    for (const { token } of [es256, eddsa]) await expectAccepted(second, token, "alice");
    // Each key has one algorithm: a token cannot combine one key's id with the other's algorithm.
    for (const [mine, other] of [
      [es256, eddsa],
      [eddsa, es256],
    ] as const) {
      const [, payload, signature] = mine.token.split(".");
      for (const change of [{ kid: other.header["kid"] }, { alg: other.header["alg"] }, other.header]) {
        await expectRefused(second, `${encoded({ ...mine.header, ...change })}.${payload}.${signature}`);
      }
    }

    const third = await on("HS256");
    const hs256 = await issue(third, "alice");
    expect(hs256.header["alg"]).toBe("HS256");
    await expectAccepted(third, hs256.token, "alice");
    for (const { token } of [es256, eddsa]) await expectRefused(third, token);
    await expectRefused(second, hs256.token);

    first.clock.advance(15 * MINUTE);
    for (const { token } of [es256, eddsa]) {
      const { errors } = await second.post({ query: "{ me { id } }" }, { token });
      expect(errors?.[0]?.extensions?.["code"]).toBe("UNAUTHENTICATED");
    }
    for (const app of [first, second, third]) await app.close();
  });
});
