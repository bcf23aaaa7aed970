import { createHmac, KeyObject } from "node:crypto";
import { type AddressInfo, createServer, type Server } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { exportJWK, generateKeyPair } from "jose";
import type { App } from "../support/app.js";
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

describe.each(TOKEN_SETUPS)(
  "the signature (row 22) of access tokens with %s on %s",
  (algorithm, database) => {
    let app: App;
    /** A token, with its decoded header and claims. */
    let token: string;
    let header: Json;
    let claims: Json;
    /** A server that a token could make the verifier fetch a key from. */
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
      ({ app, token, header, claims } = await makeTokenApp(algorithm, database));
    });
    afterAll(async () => {
      await app.close();
      bait.close();
      expect(connections).toBe(0);
    });

    const parts = () => token.split(".") as [string, string, string];
    const refused = (hostile: string) => expectRefused(app, hostile);

    test.each([
      ["that is empty", ""],
      ["of one byte", "AA"],
      ["of zeros: r = s = 0, which a careless verifier accepts for any message", encoded(Buffer.alloc(64))],
      ["r = 0, s = 1", encoded(Buffer.from(`${"00".repeat(63)}01`, "hex"))],
      ["r = 1, s = 0", encoded(Buffer.from(`${"00".repeat(31)}01${"00".repeat(32)}`, "hex"))],
      ["of ones", encoded(Buffer.alloc(64, 255))],
      ["r = s = 0 in DER", encoded(Buffer.from("3006020100020100", "hex"))],
      ["the neutral point of Ed25519, and 0", encoded(Buffer.from(`01${"00".repeat(63)}`, "hex"))],
      ["that is longer than any", encoded(Buffer.alloc(4096, 1))],
    ])("refuses one %s", async (_name, signature) => {
      await refused(`${parts()[0]}.${parts()[1]}.${signature}`);
      const forged = encoded({ ...claims, roles: ["ADMIN"] });
      await refused(`${parts()[0]}.${forged}.${signature}`);
    });

    test("refuses our own with a bit changed, truncated, doubled, or taken from another token", async () => {
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
      "refuses one made with a foreign %s key that the header supplies (rows 23, 25)",
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
          // Signed by our key: only the header gives a reason to refuse it.
          if (Object.keys(source).length > 0) {
            await refused(await signedLike(app, { ...header, ...source }, claims));
          }
        }
        expect(connections).toBe(0);
      },
    );

    test("refuses an HMAC keyed with anything public about the key, or with an empty key (row 23)", async () => {
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

    // ECDSA is malleable: whoever holds a token can derive another valid signature of the same content.
    if (algorithm !== "HS256") {
      test("accepts another form of a signature only if its algorithm is malleable", async () => {
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
          await expectAccepted(app, other, "alice");
          await refused(
            `${head}.${payload}.${encoded(Buffer.concat([half(big(r) + order).subarray(-32), s]))}`,
          );
        } else {
          // RFC 8032, 5.1.7: S must be less than the order.
          const larger = half(big(Buffer.from(s).reverse()) + order).reverse();
          await refused(`${head}.${payload}.${encoded(Buffer.concat([r, larger]))}`);
        }
      });
    }
  },
);
