import { createHmac, KeyObject } from "node:crypto";
import { type AddressInfo, createServer, type Server } from "node:net";
import { deflateRawSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { CompactEncrypt, exportJWK, generateKeyPair } from "jose";
import { type App, makeApp } from "../support/app.js";
import {
  encoded,
  expectLetIn,
  expectRefused,
  INTROSPECTION_SECRET,
  issue,
  type Part,
  signedLike,
} from "../support/tokens.js";

type Json = Record<string, unknown>;
type Reason = "INVALID_TOKEN" | "TOKEN_EXPIRED";
interface Ours {
  now: number;
  iss: string;
  sub: string;
  sid: string;
}

const SETUPS = [
  ["ES256", "postgres"],
  ["EdDSA", "sqlite"],
  ["HS256", "sqlite"],
] as const;

/** Headers in the place of ours, under a signature of our own key: the header alone is the reason to refuse. */
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
    ["a crit that is no list", { crit: "exp" }],
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

/** Claims in the place of ours, signed by our own key. Times are in seconds. */
const CLAIMS: [name: string, change: (ours: Ours) => Json, expected: "let in" | Reason][] = [
  // Row 26: to the second.
  ["exp in a second", ({ now }) => ({ exp: now + 1, iat: now - 900 }), "let in"],
  ["exp now", ({ now }) => ({ exp: now, iat: now - 900 }), "TOKEN_EXPIRED"],
  ["exp a second ago", ({ now }) => ({ exp: now - 1, iat: now - 900 }), "TOKEN_EXPIRED"],
  ["exp missing", () => ({ exp: undefined }), "INVALID_TOKEN"],
  ["exp text", ({ now }) => ({ exp: `${now + 900}` }), "INVALID_TOKEN"],
  ["exp null", () => ({ exp: null }), "INVALID_TOKEN"],
  ["exp as text NaN", () => ({ exp: "NaN" }), "INVALID_TOKEN"],
  ["exp in milliseconds, beyond all numbers", () => ({ exp: 1e300 }), "INVALID_TOKEN"],
  ["exp negative", () => ({ exp: -1 }), "TOKEN_EXPIRED"],
  ["exp zero", () => ({ exp: 0 }), "TOKEN_EXPIRED"],
  ["exp fractional", ({ now }) => ({ exp: now + 900.5 }), "INVALID_TOKEN"],
  ["exp a list", ({ now }) => ({ exp: [now + 900] }), "INVALID_TOKEN"],
  ["exp true", () => ({ exp: true }), "INVALID_TOKEN"],
  ["exp before iat", ({ now }) => ({ iat: now + 4, exp: now + 4 }), "INVALID_TOKEN"],
  ["nbf now", ({ now }) => ({ nbf: now }), "let in"],
  ["nbf in a second", ({ now }) => ({ nbf: now + 1 }), "INVALID_TOKEN"],
  ["nbf text", () => ({ nbf: "0" }), "INVALID_TOKEN"],
  ["nbf null", () => ({ nbf: null }), "INVALID_TOKEN"],
  ["iat 5 seconds ahead, as another process's clock may be", ({ now }) => ({ iat: now + 5 }), "let in"],
  ["iat 6 seconds ahead", ({ now }) => ({ iat: now + 6 }), "INVALID_TOKEN"],
  ["iat missing", () => ({ iat: undefined }), "INVALID_TOKEN"],
  ["iat text", ({ now }) => ({ iat: `${now}` }), "INVALID_TOKEN"],
  ["iat fractional", ({ now }) => ({ iat: now - 0.5 }), "INVALID_TOKEN"],
  // Row 28: exactly as we write them. RFC 9068 allows a list of audiences; ours have one, so a list is not ours.
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
  // Row 29: sub and sid name a user and a session of theirs.
  ["sub unknown", () => ({ sub: "0190a0a0-0000-7000-8000-000000000000" }), "INVALID_TOKEN"],
  ["sub the username", () => ({ sub: "alice" }), "INVALID_TOKEN"],
  ["sub empty", () => ({ sub: "" }), "INVALID_TOKEN"],
  ["sub a list", ({ sub }) => ({ sub: [sub] }), "INVALID_TOKEN"],
  ["sub missing", () => ({ sub: undefined }), "INVALID_TOKEN"],
  ["sid unknown", () => ({ sid: "0190a0a0-0000-7000-8000-000000000000" }), "INVALID_TOKEN"],
  ["sid that no database takes", () => ({ sid: "a\0b" }), "INVALID_TOKEN"],
  ["sid of half a character", () => ({ sid: "\ud800" }), "INVALID_TOKEN"],
  ["sid in capitals", ({ sid }) => ({ sid: `${sid}`.toUpperCase() }), "INVALID_TOKEN"],
  ["sid a list", ({ sid }) => ({ sid: [sid] }), "INVALID_TOKEN"],
  ["sid missing", () => ({ sid: undefined }), "INVALID_TOKEN"],
  ["jti a number", () => ({ jti: 1 }), "INVALID_TOKEN"],
  ["jti missing", () => ({ jti: undefined }), "INVALID_TOKEN"],
  ["roles text", () => ({ roles: "ADMIN" }), "INVALID_TOKEN"],
  ["roles of numbers", () => ({ roles: [1] }), "INVALID_TOKEN"],
  ["roles missing", () => ({ roles: undefined }), "INVALID_TOKEN"],
];

describe.each(SETUPS)("access tokens of %s on %s", (algorithm, database) => {
  let app: App;
  /** A token, and what it says. */
  let token: string;
  let header: Json;
  let claims: Json;
  /** What a token could make the verifier fetch from. */
  let bait: Server;
  let baitUrl: string;
  let connections = 0;

  beforeAll(async () => {
    bait = createServer((socket) => {
      connections++;
      socket.destroy();
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => bait.once("listening", resolve));
    baitUrl = `http://127.0.0.1:${(bait.address() as AddressInfo).port}/keys`;
    app = await makeApp({ database, env: { ALGORITHM: algorithm, INTROSPECTION_SECRET } });
    await app.createUser("alice");
    ({ token, header, claims } = await issue(app, "alice"));
  });
  afterAll(async () => {
    await app.close();
    bait.close();
    expect(connections).toBe(0);
  });

  const parts = () => token.split(".") as [string, string, string];
  const refused = (hostile: string, reason?: Reason) => expectRefused(app, hostile, reason);

  test("what is signed here as our own is let in: the refusals below have no other reason", async () => {
    expect(await signedLike(app, header, claims)).not.toBe("");
    await expectLetIn(app, token, "alice");
    await expectLetIn(app, await signedLike(app, header, claims), "alice");
  });

  describe.each(Object.entries(HEADERS))("refuses %s", (_rows, changes) => {
    test.each(changes.filter(([, change]) => change["alg"] !== algorithm))("%s", async (_name, change) => {
      const changed = { ...header, ...change };
      await refused(await signedLike(app, changed, claims));
      // Without a signature, and with ours of another header.
      await refused(`${encoded(changed)}.${encoded(claims)}.`);
      await refused(`${encoded(changed)}.${encoded(claims)}.${parts()[2]}`);
    });
  });

  test.each(["AT+JWT", "At+Jwt", "application/at+jwt", "Application/AT+JWT"])(
    "lets in the type %s: RFC 9068, 2.1 (row 27)",
    async (typ) => {
      await expectLetIn(app, await signedLike(app, { ...header, typ }, claims), "alice");
    },
  );

  test.each(CLAIMS)("%s: %s (rows 26, 28, 29)", async (_name, change, expected) => {
    const now = Math.floor(app.clock.now() / 1000);
    const changed = { ...claims, ...change({ ...(claims as unknown as Ours), now }) };
    const hostile = await signedLike(app, header, changed);
    if (expected === "let in") await expectLetIn(app, hostile, "alice");
    else await refused(hostile, expected);
  });

  describe("signatures (row 22)", () => {
    test.each([
      ["none", ""],
      ["of one byte", "AA"],
      ["of zeros: r = s = 0, which a forgetful verifier takes for any message", encoded(Buffer.alloc(64))],
      ["r = 0, s = 1", encoded(Buffer.from(`${"00".repeat(63)}01`, "hex"))],
      ["r = 1, s = 0", encoded(Buffer.from(`${"00".repeat(31)}01${"00".repeat(32)}`, "hex"))],
      ["of ones", encoded(Buffer.alloc(64, 255))],
      ["r = s = 0 in DER", encoded(Buffer.from("3006020100020100", "hex"))],
      ["the neutral point of Ed25519, and 0", encoded(Buffer.from(`01${"00".repeat(63)}`, "hex"))],
      ["longer than any", encoded(Buffer.alloc(4096, 1))],
    ])("refuses one %s", async (_name, signature) => {
      await refused(`${parts()[0]}.${parts()[1]}.${signature}`);
      const forged = encoded({ ...claims, roles: ["ADMIN"] });
      await refused(`${parts()[0]}.${forged}.${signature}`);
    });

    test("refuses one that is ours with a bit changed, cut short, doubled, or of another token", async () => {
      const [head, payload, signature] = parts();
      const bytes = Buffer.from(signature, "base64url");
      for (let bit = 0; bit < bytes.length * 8; bit += 7) {
        const changed = Buffer.from(bytes);
        changed[bit >> 3]! ^= 1 << (bit & 7);
        await refused(`${head}.${payload}.${encoded(changed)}`);
      }
      await refused(`${head}.${payload}.${encoded(bytes.subarray(0, -1))}`);
      await refused(`${head}.${payload}.${encoded(Buffer.concat([bytes, bytes]))}`);
      await refused(`${head}.${payload}.${encoded(Buffer.concat([bytes, Buffer.alloc(1)]))}`);
      app.clock.advance(1000);
      await refused(`${head}.${payload}.${(await issue(app, "alice")).token.split(".")[2]}`);
    });

    test.each(["ES256", "ES384", "ES512", "EdDSA", "PS256", "RS256"])(
      "refuses one of a stranger's %s key that the header brings along (rows 23, 25)",
      async (alg) => {
        const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
        const jwk = { ...(await exportJWK(publicKey)), kid: header["kid"], alg };
        const sources: Json[] = [
          {},
          { jwk },
          { jku: baitUrl },
          { x5u: baitUrl },
          { x5c: [KeyObject.from(publicKey).export({ type: "spki", format: "der" }).toString("base64")] },
          { jwk, kid: jwk.kid, jku: baitUrl, x5u: baitUrl },
          { kid: baitUrl },
        ];
        for (const source of sources) {
          for (const named of new Set([alg, algorithm])) {
            const input = `${encoded({ ...header, alg: named, ...source })}.${encoded(claims)}`;
            const signature = await crypto.subtle.sign(
              { ...privateKey.algorithm, hash: "SHA-256", saltLength: 32 },
              privateKey,
              Buffer.from(input),
            );
            await refused(`${input}.${encoded(Buffer.from(signature))}`);
          }
          // Ours all the same, if it were not for what the header says.
          if (Object.keys(source).length > 0) {
            await refused(await signedLike(app, { ...header, ...source }, claims));
          }
        }
        expect(connections).toBe(0);
      },
    );

    test("refuses an HMAC under all that is public of the key, and under no key (row 23)", async () => {
      const { kid, verify } = await app.latchkey.keys.signingKey();
      const secrets: (string | Buffer)[] = ["", "secret", kid, INTROSPECTION_SECRET];
      const { text: jwks } = await app.request("/.well-known/jwks.json");
      secrets.push(jwks);
      if (verify.type === "public") {
        const key = KeyObject.from(verify);
        const pem = key.export({ type: "spki", format: "pem" }).toString();
        const jwk = key.export({ format: "jwk" });
        const published = JSON.parse(jwks).keys[0];
        secrets.push(pem, pem.trim(), pem.replaceAll("\n", "\r\n"), pem.split("\n").slice(1, -2).join(""));
        secrets.push(key.export({ type: "spki", format: "der" }), Buffer.from(published.x, "base64url"));
        secrets.push(
          ...[jwk, published].flatMap((json) => [JSON.stringify(json), JSON.stringify(json, null, 2)]),
        );
        secrets.push(published.x, app.config.secretKey!);
      }
      for (const secret of secrets) {
        for (const change of [{ alg: "HS256" }, { alg: "HS256", kid: "HS256" }, { alg: algorithm }]) {
          const input = `${encoded({ ...header, ...change })}.${encoded(claims)}`;
          await refused(`${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`);
        }
      }
    });

    // It is in the nature of these: who has a token can make another of it that says the same of the same session.
    if (algorithm !== "HS256") {
      test("knows of a signature's other forms only one that is the same token", async () => {
        const [head, payload, signature] = parts();
        const bytes = Buffer.from(signature, "base64url");
        const order = BigInt(
          algorithm === "ES256"
            ? "0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"
            : "0x1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed",
        );
        const big = (half: Buffer) => BigInt(`0x${half.toString("hex")}`);
        const half = (value: bigint) => Buffer.from(value.toString(16).padStart(64, "0"), "hex");
        const [r, s] = [bytes.subarray(0, 32), bytes.subarray(32)];
        if (algorithm === "ES256") {
          const other = `${head}.${payload}.${encoded(Buffer.concat([r, half(order - big(s))]))}`;
          await expectLetIn(app, other, "alice");
          await refused(
            `${head}.${payload}.${encoded(Buffer.concat([half(big(r) + order).subarray(-32), s]))}`,
          );
        } else {
          // RFC 8032, 5.1.7: S is less than the order.
          const larger = half(big(Buffer.from(s).reverse()) + order).reverse();
          await refused(`${head}.${payload}.${encoded(Buffer.concat([r, larger]))}`);
        }
      });
    }
  });

  describe("spellings (row 30)", () => {
    test("takes the compact form alone, without anything around it or in it", async () => {
      const [head, payload, signature] = parts();
      const around = [
        "=",
        "==",
        " ",
        "\t",
        "\n",
        "\r\n",
        "\0",
        "\u00a0",
        "\ufeff",
        ".",
        ",",
        ";",
        '"',
        "%20",
        "&",
      ];
      for (const text of around) {
        for (const spelled of [
          `${text}${token}`,
          `${token}${text}`,
          `${head}${text}.${payload}.${signature}`,
        ]) {
          await refused(spelled);
        }
        for (const spelled of [
          `${head}.${text}${payload}.${signature}`,
          `${head}.${payload}.${text}${signature}`,
        ]) {
          await refused(spelled);
        }
      }
      for (const spelled of [
        ...[
          "",
          ".",
          "..",
          "...",
          "....",
          ".".repeat(5000),
          head,
          `${head}.${payload}`,
          `.${payload}.${signature}`,
        ],
        ...[
          `${head}..${signature}`,
          `${token}.${signature}`,
          `${token}.`,
          `${token}.${token}`,
          `${token}${token}`,
        ],
        ...[`${payload}.${head}.${signature}`, token.replaceAll(".", "%2E"), token.replaceAll(".", "\u3002")],
        ...[
          token.toUpperCase(),
          token.toLowerCase(),
          [...token].reverse().join(""),
          encoded(token),
          `'${token}'`,
        ],
        `Bearer ${token}`,
      ]) {
        await refused(spelled);
      }
    });

    test("takes one spelling of base64url alone", async () => {
      const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
      let others = 0;
      for (const [n, part] of parts().entries()) {
        const spellings = [
          part.replaceAll("-", "+").replaceAll("_", "/"),
          Buffer.from(part, "base64url").toString("base64"),
        ];
        for (let bits = 1; bits < 16; bits++) {
          spellings.push(part.slice(0, -1) + ALPHABET[ALPHABET.indexOf(part.at(-1)!) ^ bits]);
        }
        for (const spelling of new Set(spellings)) {
          if (spelling === part) continue;
          if (Buffer.from(spelling, "base64url").equals(Buffer.from(part, "base64url"))) others++;
          await refused(parts().with(n, spelling).join("."));
        }
      }
      expect(others).toBeGreaterThan(0);
    });

    test("takes one spelling of JSON alone: no member twice, no space, no escape that is not needed", async () => {
      const json = JSON.stringify(claims);
      const head = JSON.stringify(header);
      const bodies: (Part | Buffer)[] = [
        json.replace("{", '{"sub":"0190a0a0-0000-7000-8000-000000000000",'),
        json.replace(/}$/, `,"sub":${JSON.stringify(claims["sub"])}}`),
        json.replace(/}$/, ',"__proto__":{},"__proto__":{}}'),
        json.replace(/"exp":\d+/, '"exp":1e400'),
        json.replace(/"exp":(\d+)/, '"exp":$1.0'),
        json.replace(/"exp":(\d)(\d+)/, '"exp":$1.$2e9'),
        json.replace('"sub"', '"\\u0073ub"'),
        json.replaceAll(",", ", "),
        ` ${json}`,
        `${json}\n`,
        `\ufeff${json}`,
        json.replaceAll('"', "'"),
        json.slice(0, -1),
        json.replace(/}$/, ",}"),
        json.replace(/"exp":\d+/, '"exp":NaN'),
        json.replace(/"exp":\d+/, '"exp":Infinity'),
        json.replace(/"exp":\d+/, '"exp":-0'),
        Buffer.from(json, "utf16le"),
        Buffer.concat([
          Buffer.from(json.slice(0, -1)),
          Buffer.from(',"x":"'),
          Buffer.from([0xff]),
          Buffer.from('"}'),
        ]),
        `[${json}]`,
        JSON.stringify(json),
        ...["null", "true", "1", "[]", "{}", '""', ""],
        `{"a":${"[".repeat(4000)}${"]".repeat(4000)}}`,
        json.replace("{", `{"a":${"[".repeat(4000)}${"]".repeat(4000)},"a":1,`),
      ];
      for (const body of bodies) {
        expect(body).not.toBe(json);
        await refused(await signedLike(app, header, body));
      }
      const heads = [
        head.replace("{", '{"alg":"none",'),
        head.replace(/}$/, `,"alg":"${algorithm}"}`),
        head.replace(/}$/, `,"kid":"${header["kid"]}"}`),
        head.replaceAll(",", ", "),
        head.replace('"alg"', '"\\u0061lg"'),
        `${head} `,
        `[${head}]`,
        JSON.stringify(head),
        ...["null", "1", "[]", "{}", '""', "[".repeat(6000)],
      ];
      for (const other of heads) await refused(await signedLike(app, other, claims));
    });

    test("takes no JSON serialisation, and nothing nested", async () => {
      const [head, payload, signature] = parts();
      await refused(JSON.stringify({ protected: head, payload, signature }));
      await refused(JSON.stringify({ header, payload, signature }));
      await refused(JSON.stringify({ payload, signatures: [{ protected: head, signature }] }));
      await refused(await signedLike(app, header, token));
      await refused(await signedLike(app, { ...header, cty: "JWT" }, token));
      await refused(await signedLike(app, header, JSON.stringify(token)));
    });
  });

  // A verifier that opened any of these would be at it for hours, or out of memory.
  test("never opens a JWE, and is quick about refusing it (row 32)", async () => {
    const recipient = new Uint8Array(32);
    const jwe = (head: Json, ...rest: (string | Buffer)[]) =>
      [head, ...rest].map((part) => encoded(part)).join(".");
    const dir = await new CompactEncrypt(Buffer.from(token))
      .setProtectedHeader({ alg: "dir", enc: "A256GCM", cty: "JWT", kid: header["kid"] as string })
      .encrypt(recipient);
    const bomb = deflateRawSync(Buffer.alloc(8_000_000, "a"));
    const tokens = [
      dir,
      ...[2_147_483_647, 1e15, -1, "many"].map((p2c) =>
        jwe(
          { alg: "PBES2-HS256+A128KW", enc: "A128GCM", p2s: "AAAA", p2c, kid: header["kid"] },
          "k",
          "iv",
          "text",
          "tag",
        ),
      ),
      jwe(
        { alg: "dir", enc: "A256GCM", zip: "DEF", kid: header["kid"] },
        "",
        Buffer.alloc(12),
        bomb,
        Buffer.alloc(16),
      ),
      jwe(
        { ...header, alg: "ECDH-ES", enc: "A256GCM", epk: { kty: "EC", crv: "P-256", x: "AA", y: "AA" } },
        "",
        "a",
        "b",
        "c",
      ),
      `${parts()[0]}.${parts()[1]}.${parts()[2]}.${parts()[1]}.${parts()[2]}`,
    ];
    const started = performance.now();
    for (const hostile of tokens) await refused(hostile);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  test("refuses tokens as large as a header can be, and none that is larger", async () => {
    const size = 15_500;
    const [head, payload, signature] = parts();
    const started = performance.now();
    for (const hostile of [
      "a".repeat(size),
      ".".repeat(size),
      `${head}.${"a".repeat(size)}.${signature}`.slice(0, size),
      `${encoded({ ...header, kid: "k".repeat(11_000) })}.${payload}.${signature}`,
      `${head}.${encoded({ ...claims, sub: "s".repeat(11_000) })}.${signature}`,
      `${head}.${payload}.${"A".repeat(14_800)}`,
      `${encoded(`${'{"a":'.repeat(1800)}1${"}".repeat(1800)}`)}.${payload}.${signature}`,
      await signedLike(app, header, { ...claims, sub: "s".repeat(11_000) }),
      await signedLike(app, header, { ...claims, jti: 1, more: Array(5000).fill(1) }),
    ]) {
      await refused(hostile);
    }
    expect(performance.now() - started).toBeLessThan(5000);
    const { status } = await app.post({ query: "{ me { id } }" }, { token: "a".repeat(17_000) });
    expect(status).toBe(431);
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
        await expectLetIn(there, token, "alice");
        await expectRefused(here, token);
      }
      for (const app of [here, ...others]) await app.close();
    }
  });

  test("of another ALGORITHM: a key pair's verify until they expire, HS256's at once no more (row 23)", async () => {
    const env = { INTROSPECTION_SECRET };
    const first = await makeApp({ env: { ...env, ALGORITHM: "ES256" } });
    await first.createUser("alice");
    const on = (ALGORITHM: string) =>
      makeApp({ databaseUrl: first.databaseUrl, clock: first.clock, env: { ...env, ALGORITHM } });
    const es256 = await issue(first, "alice");
    expect(es256.header["alg"]).toBe("ES256");

    const second = await on("EdDSA");
    await second.latchkey.keys.signingKey();
    first.clock.advance(60_000);
    const eddsa = await issue(second, "alice");
    expect(eddsa.header["alg"]).toBe("EdDSA");
    for (const { token } of [es256, eddsa]) await expectLetIn(second, token, "alice");
    // One key, one algorithm: neither key's name goes with the other's.
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
    await expectLetIn(third, hs256.token, "alice");
    for (const { token } of [es256, eddsa]) await expectRefused(third, token);
    await expectRefused(second, hs256.token);

    first.clock.advance(900_000);
    for (const { token } of [es256, eddsa]) {
      const { errors } = await second.post({ query: "{ me { id } }" }, { token });
      expect(errors?.[0]?.extensions?.["code"]).toBe("UNAUTHENTICATED");
    }
    for (const app of [first, second, third]) await app.close();
  });
});
