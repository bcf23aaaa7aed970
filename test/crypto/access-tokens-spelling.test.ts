import { deflateRawSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { CompactEncrypt } from "jose";
import type { App } from "../support/app.js";
import {
  encoded,
  expectRefused,
  type Json,
  makeTokenApp,
  type Part,
  signedLike,
  TOKEN_SETUPS,
} from "../support/tokens.js";

describe.each(TOKEN_SETUPS)("the spelling (row 30) of access tokens with %s on %s", (algorithm, database) => {
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

  test("accepts only the compact form, with nothing around it or inside it", async () => {
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

  test("accepts only the canonical spelling of base64url", async () => {
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

  test("accepts only one spelling of JSON: no duplicate member, no whitespace, no needless escape", async () => {
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

  test("accepts no JSON serialization and no nested token", async () => {
    const [head, payload, signature] = parts();
    await refused(JSON.stringify({ protected: head, payload, signature }));
    await refused(JSON.stringify({ header, payload, signature }));
    await refused(JSON.stringify({ payload, signatures: [{ protected: head, signature }] }));
    await refused(await signedLike(app, header, token));
    await refused(await signedLike(app, { ...header, cty: "JWT" }, token));
    await refused(await signedLike(app, header, JSON.stringify(token)));
  });

  // Decrypting any of these would take hours, or all memory.
  test("never decrypts a JWE, and refuses it quickly (row 32)", async () => {
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

  test("refuses tokens up to the largest size that a header can have", async () => {
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
