import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { createVerifier, type Verifier } from "@latchkey/client/server";
import { decodeProtectedHeader } from "jose";
import { MINUTE, SECOND } from "../../src/clock.js";
import { type App, makeApp } from "../support/app.js";
import { fakeDate } from "../support/fake-date.js";
import { closeWithFile } from "../support/opened.ts";
import { encoded, issue, type Json, signedLike } from "../support/tokens.js";
import { makeUser } from "../support/users.js";

const ISSUER = "http://localhost:4000";

let app: App;
let keys: Awaited<ReturnType<typeof serveKeys>>;
let verifier: Verifier;
beforeEach(async () => {
  app = await makeApp();
  setTime(0);
  keys = await serveKeys(app);
  verifier = createVerifier({ issuer: ISSUER, keysUrl: keys.url });
});
afterEach(async () => {
  jest.useRealTimers();
  await app.close();
});

/** Sets the time of the service, in milliseconds from Latchkey's. */
function setTime(offset: number): void {
  fakeDate(app.clock.now() + offset);
}

/** Moves the time of both. */
function advance(milliseconds: number): void {
  app.clock.advance(milliseconds);
  setTime(0);
}

/** The key set of an app at another address, where it can be away. Counts how often it is fetched. */
async function serveKeys(of: App) {
  const state = { fetched: 0, away: false, page: undefined as string | undefined };
  const server = createServer(async (_request, response) => {
    state.fetched++;
    const { statusCode, body } = await of.server.inject({ url: "/.well-known/jwks.json" });
    response.writeHead(state.away ? 503 : statusCode, { connection: "close" }).end(state.page ?? body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closeWithFile(() => {
    server.closeAllConnections();
    server.close();
  });
  return Object.assign(state, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys` });
}

const INVALID = { name: "InvalidTokenError", reason: "INVALID_TOKEN" };
const expectInvalid = (token: string) =>
  expect(verifier.verifyAccessToken(token)).rejects.toMatchObject(INVALID);

describe("an access token in another service", () => {
  test("is verified with the key set, which is fetched once", async () => {
    const { token, id } = await makeUser(app, "alice");
    const verified = await Promise.all([1, 2, 3].map(() => verifier.verifyAccessToken(token)));
    expect(verified[0]).toMatchObject({
      sub: id,
      iss: ISSUER,
      aud: "latchkey",
      roles: ["USER"],
      amr: ["pwd"],
    });
    expect(keys.fetched).toBe(1);
  });

  test("is verified with the keys at the issuer unless another address is given", async () => {
    const { token } = await makeUser(app);
    // Nothing listens there.
    const unreachable = createVerifier({ issuer: "http://127.0.0.1:9" });
    await expect(unreachable.verifyAccessToken(token)).rejects.toMatchObject({
      name: "KeysUnavailableError",
      message: "The keys at http://127.0.0.1:9/.well-known/jwks.json could not be fetched.",
    });
  });

  test("with EdDSA is accepted only where that is allowed", async () => {
    const edwards = await makeApp({ env: { ALGORITHM: "EdDSA" } });
    const { token } = await makeUser(edwards);
    const { url } = await serveKeys(edwards);
    const options = { issuer: ISSUER, keysUrl: url };
    await expect(createVerifier(options).verifyAccessToken(token)).rejects.toMatchObject(INVALID);
    const both = createVerifier({ ...options, algorithms: ["ES256", "EdDSA"] });
    expect(await both.verifyAccessToken(token)).toMatchObject({ iss: ISSUER });
  });

  test("that has expired says so, five seconds later at most", async () => {
    const { token } = await makeUser(app);
    setTime(15 * MINUTE + 4 * SECOND);
    expect(await verifier.verifyAccessToken(token)).toBeDefined();
    setTime(15 * MINUTE + 6 * SECOND);
    await expect(verifier.verifyAccessToken(token)).rejects.toMatchObject({
      name: "InvalidTokenError",
      reason: "TOKEN_EXPIRED",
      message: "The access token has expired.",
    });
  });

  test("from the future is not valid", async () => {
    const { token } = await makeUser(app);
    setTime(-4 * SECOND);
    expect(await verifier.verifyAccessToken(token)).toBeDefined();
    setTime(-6 * SECOND);
    await expectInvalid(token);
  });

  test("of more than a day has expired, whatever it says", async () => {
    await app.createUser("alice");
    const { header, claims } = await issue(app, "alice");
    const iat = Number(claims["iat"]) - 25 * 60 * 60;
    const token = await signedLike(app, header, { ...claims, iat });
    await expect(verifier.verifyAccessToken(token)).rejects.toMatchObject({ reason: "TOKEN_EXPIRED" });
  });

  describe("that is forged is not valid:", () => {
    const HEADERS: [string, Json][] = [
      ["no signature", { alg: "none" }],
      ["a shared secret", { alg: "HS256" }],
      ["an ID token's type", { typ: "JWT" }],
      ["no type", { typ: undefined }],
      ["no kid", { kid: undefined }],
      ["an unknown kid", { kid: "unknown" }],
      ["a kid that is no text", { kid: 0 }],
      ["a critical extension", { crit: ["x"], x: 1 }],
    ];
    test.each(HEADERS)("%s", async (_, change) => {
      await app.createUser("alice");
      const { header, claims } = await issue(app, "alice");
      await expectInvalid(await signedLike(app, { ...header, ...change }, claims));
    });

    const CLAIMS: [string, Json][] = [
      ["another issuer", { iss: "http://localhost:4001" }],
      ["the issuer in another spelling", { iss: "http://localhost:4000/" }],
      ["another audience", { aud: "other" }],
      ["several audiences", { aud: ["latchkey", "other"] }],
      ["no user", { sub: undefined }],
      ["no session", { sid: undefined }],
      ["no expiry", { exp: undefined }],
      ["no time of issue", { iat: undefined }],
      ["no roles", { roles: undefined }],
      ["roles that are no texts", { roles: [0] }],
      ["roles that are no list", { roles: "ADMIN" }],
      ["no methods", { amr: undefined }],
      ["not valid yet", { nbf: 4e9 }],
    ];
    test.each(CLAIMS)("%s", async (_, change) => {
      await app.createUser("alice");
      const { header, claims } = await issue(app, "alice");
      await expectInvalid(await signedLike(app, header, { ...claims, ...change }));
    });

    test("another payload under the signature, and what is no token at all", async () => {
      await app.createUser("alice");
      const { token, claims } = await issue(app, "alice");
      const [header, , signature] = token.split(".");
      await expectInvalid(`${header}.${encoded({ ...claims, roles: ["USER", "ADMIN"] })}.${signature}`);
      for (const text of ["", ".", "..", "a.b.c", "x".repeat(10_000)]) await expectInvalid(text);
    });

    test("keys that it names or brings itself, which nobody fetches", async () => {
      await app.createUser("alice");
      const { header, claims } = await issue(app, "alice");
      const evil = await serveKeys(app);
      const own = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
        "sign",
        "verify",
      ]);
      const jwk = await crypto.subtle.exportKey("jwk", own.publicKey);
      const input = `${encoded({ ...header, jku: evil.url, x5u: evil.url, jwk })}.${encoded(claims)}`;
      const signature = await crypto.subtle.sign(
        { name: "ECDSA", hash: "SHA-256" },
        own.privateKey,
        Buffer.from(input),
      );
      await expectInvalid(`${input}.${encoded(Buffer.from(signature))}`);
      expect(evil.fetched).toBe(0);
    });
  });
});

describe("the keys of another service", () => {
  test("follow a rotation", async () => {
    const { username, token } = await makeUser(app);
    expect(await verifier.verifyAccessToken(token)).toBeDefined();
    await app.latchkey.signingKeys!.rotate();
    advance(2 * MINUTE);
    const { accessToken } = await app.login(username);
    expect(decodeProtectedHeader(accessToken).kid).not.toBe(decodeProtectedHeader(token).kid);
    expect(await verifier.verifyAccessToken(accessToken)).toBeDefined();
    expect(keys.fetched).toBe(2);
    expect(await verifier.verifyAccessToken(token)).toBeDefined();
  });

  test("are fetched every 30 seconds at most for unknown keys", async () => {
    await app.createUser("alice");
    const { header, claims } = await issue(app, "alice");
    for (let n = 0; n < 20; n++)
      await expectInvalid(await signedLike(app, { ...header, kid: `unknown-${n}` }, claims));
    expect(keys.fetched).toBe(1);
    advance(31 * SECOND);
    for (let n = 0; n < 20; n++)
      await expectInvalid(await signedLike(app, { ...header, kid: `unknown-${n}` }, claims));
    expect(keys.fetched).toBe(2);
  });

  test("are fetched again after ten minutes, and used on while that fails", async () => {
    const { token } = await makeUser(app);
    await verifier.verifyAccessToken(token);
    keys.away = true;
    advance(11 * MINUTE);
    for (let n = 0; n < 5; n++) expect(await verifier.verifyAccessToken(token)).toBeDefined();
    await until(() => keys.fetched === 2);
    keys.away = false;
    advance(6 * SECOND);
    expect(await verifier.verifyAccessToken(token)).toBeDefined();
    await until(() => keys.fetched === 3);
    expect(await verifier.verifyAccessToken(token)).toBeDefined();
    expect(keys.fetched).toBe(3);
  });

  test("that were retired stop within ten minutes", async () => {
    const { token } = await makeUser(app);
    await verifier.verifyAccessToken(token);
    await app.latchkey.signingKeys!.rotate();
    advance(2 * MINUTE);
    await app.latchkey.signingKeys!.retire(decodeProtectedHeader(token).kid!);
    expect(await verifier.verifyAccessToken(token)).toBeDefined();
    advance(8 * MINUTE + SECOND);
    await verifier.verifyAccessToken(token);
    await until(() => keys.fetched === 2);
    await untilInvalid(token);
  });

  test("that cannot be fetched are asked for every 5 seconds at most, and no token is called invalid", async () => {
    const { token } = await makeUser(app);
    keys.away = true;
    const unavailable = {
      name: "KeysUnavailableError",
      message: `The keys at ${keys.url} could not be fetched.`,
    };
    for (let n = 0; n < 5; n++)
      await expect(verifier.verifyAccessToken(token)).rejects.toMatchObject(unavailable);
    expect(keys.fetched).toBe(1);
    keys.away = false;
    setTime(6 * SECOND);
    expect(await verifier.verifyAccessToken(token)).toBeDefined();
  });
});

describe("an address of the keys that answers with something else", () => {
  test.each(["<h1>Sign in to the Wi-Fi</h1>", "{}", "null", '{"keys":{}}'])("%s", async (page) => {
    const { token } = await makeUser(app);
    keys.page = page;
    for (let n = 0; n < 5; n++)
      await expect(verifier.verifyAccessToken(token)).rejects.toMatchObject({ name: "KeysUnavailableError" });
    expect(keys.fetched).toBe(1);
    keys.page = undefined;
    setTime(6 * SECOND);
    expect(await verifier.verifyAccessToken(token)).toBeDefined();
    // The keys that are known stay in use.
    keys.page = page;
    advance(11 * MINUTE);
    expect(await verifier.verifyAccessToken(token)).toBeDefined();
    await until(() => keys.fetched === 3);
    expect(await verifier.verifyAccessToken(token)).toBeDefined();
  });
});

/** Waits for what happens in the background. */
async function until(done: () => boolean): Promise<void> {
  for (const deadline = performance.now() + 5000; !done(); ) {
    if (performance.now() > deadline) throw new Error("it did not happen in 5 seconds");
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

async function untilInvalid(token: string): Promise<void> {
  for (const deadline = performance.now() + 5000; performance.now() < deadline; ) {
    const outcome = await verifier.verifyAccessToken(token).catch((error) => error.reason);
    if (outcome === "INVALID_TOKEN") return;
  }
  throw new Error("the token was still valid after 5 seconds");
}
