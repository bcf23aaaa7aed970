import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import type { App } from "../support/app.js";
import {
  encoded,
  expectAccepted,
  expectRefused,
  type Json,
  makeTokenApp,
  signedLike,
  TOKEN_SETUPS,
} from "../support/tokens.js";

/** Changed headers, signed by our own key: only the header gives a reason to refuse the token. */
const HEADERS: Record<string, [name: string, change: Json][]> = {
  "another algorithm (row 23)": [
    ...["none", "None", "NONE", "nOnE", "", "RS256", "PS256", "ES384", "ES256K", "Ed25519", "HS512", "dir"],
    ...["es256", "eddsa", "hs256", ["ES256"], ["EdDSA"], ["HS256"], 256, true, null, undefined],
  ].map((alg) => [`alg ${JSON.stringify(alg)}`, { alg }]),
  "another kid (row 25)": [
    ...["", "unknown", " ", "../../../../dev/null", "/proc/self/environ", "file:///dev/null"],
    ...["' or '1'='1", "x' union select 'key", "__proto__", "constructor", "a\0b", "\ud800", "ключ"],
    ...["k".repeat(43), "k".repeat(6000), 0, true, null, {}, [], undefined],
  ].map((kid) => [`kid ${(JSON.stringify(kid) ?? "missing").slice(0, 30)}`, { kid }]),
  "a header of its own mind (rows 25, 31, 32)": [
    [
      "a critical extension nobody knows",
      { crit: ["https://example.com/ext"], "https://example.com/ext": 1 },
    ],
    ["a critical claim", { crit: ["exp"], exp: 1 }],
    ["an empty crit", { crit: [] }],
    ["a crit that is not a list", { crit: "exp" }],
    ["b64 false", { b64: false }],
    ["a critical b64 false", { crit: ["b64"], b64: false }],
    ["a critical b64 true", { crit: ["b64"], b64: true }],
    ["a nested token's content type", { cty: "JWT" }],
    ["compression", { zip: "DEF" }],
    ["encryption", { enc: "A256GCM" }],
    ["a certificate", { x5c: ["MIIB"] }],
    ["a certificate's thumbprint", { "x5t#S256": "AA" }],
    ["a member without meaning", { hello: "there" }],
  ],
  "another type (row 27)": [
    ...[
      "JWT",
      "jwt",
      "",
      " at+jwt",
      "at+jwt ",
      "at+jwt;v=1",
      "refresh+jwt",
      "id_token",
      "logout+jwt",
      "x/at+jwt",
    ],
    ...["application/at+jwt/x", "text/at+jwt", "application/jwt", "at jwt", 1, null, ["at+jwt"], undefined],
  ].map((typ) => [`typ ${JSON.stringify(typ)}`, { typ }]),
};

describe.each(TOKEN_SETUPS)("the header of access tokens with %s on %s", (algorithm, database) => {
  let app: App;
  /** A token, with its decoded header and claims. */
  let token: string;
  let header: Json;
  let claims: Json;
  beforeAll(async () => {
    ({ app, token, header, claims } = await makeTokenApp(algorithm, database));
  });
  afterAll(() => app.close());

  const parts = () => token.split(".") as [string, string, string];
  const refused = (hostile: string) => expectRefused(app, hostile);

  test("an unchanged token that this test signs is accepted: the refusals below have no other cause", async () => {
    expect(await signedLike(app, header, claims)).not.toBe("");
    await expectAccepted(app, token, "alice");
    await expectAccepted(app, await signedLike(app, header, claims), "alice");
  });

  describe.each(Object.entries(HEADERS))("refuses %s", (_rows, changes) => {
    test.each(changes.filter(([, change]) => change["alg"] !== algorithm))("%s", async (_name, change) => {
      const changed = { ...header, ...change };
      await refused(await signedLike(app, changed, claims));
      // Without a signature, and with the signature of the original header.
      await refused(`${encoded(changed)}.${encoded(claims)}.`);
      await refused(`${encoded(changed)}.${encoded(claims)}.${parts()[2]}`);
    });
  });

  test.each(["AT+JWT", "At+Jwt", "application/at+jwt", "Application/AT+JWT"])(
    "accepts the type %s: RFC 9068, 2.1 (row 27)",
    async (typ) => {
      await expectAccepted(app, await signedLike(app, { ...header, typ }, claims), "alice");
    },
  );
});
