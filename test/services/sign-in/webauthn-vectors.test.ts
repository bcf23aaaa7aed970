import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { decodeAttestationObject } from "@simplewebauthn/server/helpers";
import { decodeJwt } from "jose";
import { MINUTE } from "../../../src/clock.js";
import { hashOpaqueToken } from "../../../src/crypto/opaque-tokens.js";
import { type ChallengePurpose, insertChallenge } from "../../../src/storage/challenges.js";
import { type App, makeApp } from "../../support/app.js";
import { cbor } from "../../support/authenticator.js";
import { REGISTER_PASSKEY, VERIFY_PASSKEY } from "../../support/operations.js";
import { makeUser } from "../../support/users.js";
import { WEBAUTHN_VECTORS } from "../../support/webauthn-vectors.js";

type Vector = keyof typeof WEBAUTHN_VECTORS;

let app: App;
beforeAll(async () => {
  app = await makeApp({ env: { APP_URL: "https://example.org" } });
});
afterAll(() => app.close());

async function issue(purpose: ChallengePurpose, challenge: string, userId: string) {
  const expiresAt = app.clock.now() + 5 * MINUTE;
  const challengeHash = hashOpaqueToken(challenge);
  await app.latchkey.db.deleteFrom("challenges").where("challenge_hash", "=", challengeHash).execute();
  await insertChallenge(app.latchkey.db, { challengeHash, purpose, userId, expiresAt });
}

function credentialOf(id: string, response: object) {
  return { id, rawId: id, type: "public-key", response, clientExtensionResults: {} };
}

/** Registers the passkey of a vector for a new user. */
async function register(vector: Vector, attestationObject?: string) {
  const { credentialId, registration } = WEBAUTHN_VECTORS[vector];
  const { challenge, ...response } = registration;
  const { id, token, username } = await makeUser(app);
  await issue("PASSKEY_REGISTRATION", challenge, id);
  const credential = credentialOf(credentialId, {
    ...response,
    ...(attestationObject && { attestationObject }),
  });
  const answer = await app.send(REGISTER_PASSKEY, { name: vector, credential }, { token });
  return { id, username, answer };
}

/** Proves the passkey of a vector as the second factor of a user. */
async function verify(vector: Vector, userId: string) {
  const { credentialId, authentication } = WEBAUTHN_VECTORS[vector];
  const { challenge, ...response } = authentication;
  await issue("SIGN_IN", challenge, userId);
  return app.send(VERIFY_PASSKEY, { challenge, credential: credentialOf(credentialId, response) });
}

/** What a browser makes of an attestation that nobody asked for (Web Authentication, 5.1.3, step 27). */
function withoutAttestation(vector: Vector): string {
  const { attestationObject } = WEBAUTHN_VECTORS[vector].registration;
  const decoded = decodeAttestationObject(new Uint8Array(Buffer.from(attestationObject, "base64url")));
  const authData = Buffer.from(decoded.get("authData"));
  return cbor(
    new Map<string, Parameters<typeof cbor>[0]>([
      ["fmt", "none"],
      ["attStmt", new Map()],
      ["authData", authData],
    ]),
  ).toString("base64url");
}

test.each<Vector>([
  "ES256 without attestation",
  "ES256 with self attestation",
  "ES256 with a very long credential id",
])("%s registers and signs in", async (vector) => {
  const { id, username, answer } = await register(vector);
  expect(answer.data?.registerPasskey.passkey).toMatchObject({ name: vector, synced: true });
  const { data } = await verify(vector, id);
  expect(data?.verifyPasskey.user.username).toBe(username);
  expect(decodeJwt(data!.verifyPasskey.accessToken)["amr"]).toEqual(["pwd", "swk", "user", "mfa"]);
});

const REJECTED = [expect.objectContaining({ message: "The passkey could not be verified." })];

test.each<Vector>(["ES256 in a cross-origin frame", "ES256 in a cross-origin frame that is named"])(
  "%s is rejected",
  async (vector) => {
    expect((await register(vector)).answer.errors).toEqual(REJECTED);
  },
);

test.each<Vector>([
  "ES256 with packed attestation",
  "RS256 with packed attestation",
  "Ed25519 with packed attestation",
])("%s: certificates are rejected, and without them it registers and signs in", async (vector) => {
  expect((await register(vector)).answer.errors).toEqual(REJECTED);
  const { id, username, answer } = await register(vector, withoutAttestation(vector));
  expect(answer.errors).toBeUndefined();
  expect((await verify(vector, id)).data?.verifyPasskey.user.username).toBe(username);
});

test("ES256 with FIDO U2F attestation is rejected", async () => {
  expect((await register("ES256 with FIDO U2F attestation")).answer.errors).toEqual(REJECTED);
});

test("ES384, an algorithm that was not offered, is rejected", async () => {
  const vector = "ES384 with packed attestation";
  expect((await register(vector, withoutAttestation(vector))).answer.errors).toEqual(REJECTED);
});
