import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { decodeJwt } from "jose";
import { MINUTE } from "../../../src/clock.js";
import { type Answer, type App, makeApp, PASSWORD } from "../../support/app.js";
import {
  type Behaviour,
  ORIGIN,
  reauthenticationOptions,
  registerPasskey,
  SoftwareAuthenticator,
  signInOptions,
} from "../../support/authenticator.js";
import { DATABASES } from "../../support/databases.js";
import {
  DELETE_PASSKEY,
  LOGIN,
  MY_PASSKEYS,
  MY_SESSIONS,
  PASSKEY_OPTIONS,
  REAUTHENTICATE_WITH_PASSKEY,
  SIGN_IN,
  VERIFY_PASSKEY,
} from "../../support/operations.js";
import { challengeFor, enrollTotp } from "../../support/totp.js";
import { makeUser } from "../../support/users.js";

const invalidPasskey = [
  expect.objectContaining({
    message: "The passkey could not be verified.",
    extensions: { code: "INVALID_CREDENTIALS" },
  }),
];
const invalidChallenge = [
  expect.objectContaining({
    message: "The challenge is unknown, used or expired. Start again.",
    extensions: { code: "INVALID_TOKEN" },
  }),
];

describe.each(DATABASES)("passkeys on %s", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database });
  });
  afterAll(() => app.close());

  /** Creates a user with a passkey. */
  async function makePasskeyUser(options?: { synced?: boolean }) {
    const user = await makeUser(app);
    return { ...user, ...(await registerPasskey(app, user.token, new SoftwareAuthenticator(options))) };
  }

  /** Signs in with a passkey alone. */
  async function signIn(authenticator: SoftwareAuthenticator, behaviour?: Behaviour) {
    const credential = authenticator.get(await signInOptions(app), behaviour);
    return app.send(VERIFY_PASSKEY, { credential });
  }

  /** The last failed login of a user, or of nobody. */
  async function lastFailure(subjectId: string | null = null) {
    const { details } = await app.latchkey.db
      .selectFrom("audit_events")
      .select(["details"])
      .where("type", "=", "LOGIN_FAILED")
      .where("subject_id", subjectId === null ? "is" : "=", subjectId)
      .orderBy("id", "desc")
      .executeTakeFirstOrThrow();
    return JSON.parse(details).reason;
  }

  test("alone, a passkey signs in without a username, and needs no second factor", async () => {
    const { username, authenticator, token } = await makePasskeyUser();
    await enrollTotp(app, token);
    const { data } = await app.send(PASSKEY_OPTIONS, {});
    expect(data?.passkeyOptions).toEqual({
      publicKey: {
        rpId: "localhost",
        challenge: expect.stringMatching(/^[\w-]{43}$/),
        allowCredentials: [],
        timeout: 300_000,
        userVerification: "required",
      },
      expiresAt: new Date(app.clock.now() + 5 * MINUTE).toISOString(),
    });
    const credential = authenticator.get(data!.passkeyOptions.publicKey);
    const signedIn = await app.send(VERIFY_PASSKEY, { credential });
    expect(signedIn.data?.verifyPasskey.user.username).toBe(username);
    const claims = decodeJwt(signedIn.data!.verifyPasskey.accessToken);
    expect(claims).toMatchObject({ amr: ["hwk", "user", "mfa"], auth_time: app.clock.now() / 1000 });
    const { accessToken } = signedIn.data!.verifyPasskey;
    const sessions = await app.send(MY_SESSIONS, {}, { token: accessToken });
    expect(sessions.data?.mySessions.find(({ current }) => current)?.authenticationMethods).toEqual([
      "HARDWARE_KEY",
      "USER_PRESENCE",
      "MULTIPLE_FACTORS",
    ]);
    const passkeys = await app.send(MY_PASSKEYS, {}, { token });
    expect(passkeys.data?.myPasskeys[0]?.lastUsedAt).toBe(new Date(app.clock.now()).toISOString());
  });

  test("after the password, a passkey is the second factor, and the user need not be verified", async () => {
    const { username, authenticator } = await makePasskeyUser();
    const refused = await app.send(LOGIN, { username, password: PASSWORD });
    expect(refused.errors?.[0]?.extensions).toMatchObject({
      code: "MFA_REQUIRED",
      mfa: { methods: ["PASSKEY", "RECOVERY_CODE"] },
    });
    const { data } = await app.send(SIGN_IN, { username, password: PASSWORD });
    const { challenge, expiresAt } = data!.signIn as { challenge: string; expiresAt: string };
    app.clock.advance(MINUTE);
    const options = await app.send(PASSKEY_OPTIONS, { challenge });
    expect(options.data?.passkeyOptions).toEqual({
      publicKey: {
        rpId: "localhost",
        challenge,
        allowCredentials: [
          { id: authenticator.credentialId, type: "public-key", transports: ["hybrid", "internal"] },
        ],
        timeout: 240_000,
        userVerification: "preferred",
      },
      expiresAt,
    });
    const { publicKey } = options.data!.passkeyOptions;
    const credential = authenticator.get(publicKey, { uv: false, userHandle: undefined });
    const verified = await app.send(VERIFY_PASSKEY, { challenge, credential });
    const claims = decodeJwt(verified.data!.verifyPasskey.accessToken);
    expect(claims["amr"]).toEqual(["pwd", "hwk", "user", "mfa"]);
  });

  test("a challenge works once, in one of two parallel requests, and for five minutes (row 50)", async () => {
    const { authenticator, username } = await makePasskeyUser({ synced: true });
    const credential = authenticator.get(await signInOptions(app));
    const answers = await Promise.all([1, 2].map(() => app.send(VERIFY_PASSKEY, { credential })));
    expect(answers.filter(({ data }) => data)).toHaveLength(1);
    expect(answers.find(({ errors }) => errors)?.errors).toEqual(invalidChallenge);
    expect((await app.send(VERIFY_PASSKEY, { credential })).errors).toEqual(invalidChallenge);

    const early = authenticator.get(await signInOptions(app));
    app.clock.advance(5 * MINUTE - 1);
    expect((await app.send(VERIFY_PASSKEY, { credential: early })).errors).toBeUndefined();
    const late = authenticator.get(await signInOptions(app));
    app.clock.advance(5 * MINUTE);
    expect((await app.send(VERIFY_PASSKEY, { credential: late })).errors).toEqual(invalidChallenge);

    const challenge = await challengeFor(app, username);
    const second = authenticator.get(await signInOptions(app, challenge));
    app.clock.advance(5 * MINUTE);
    expect((await app.send(PASSKEY_OPTIONS, { challenge })).errors).toEqual(invalidChallenge);
    expect((await app.send(VERIFY_PASSKEY, { challenge, credential: second })).errors).toEqual(
      invalidChallenge,
    );
  });

  test("a challenge is random, and stored as a hash for one purpose (row 50)", async () => {
    const { token, authenticator, username } = await makePasskeyUser({ synced: true });
    const [one, other] = [await signInOptions(app), await signInOptions(app)];
    expect(one["challenge"]).not.toBe(other["challenge"]);
    const stored = await app.latchkey.db.selectFrom("challenges").selectAll().execute();
    expect(JSON.stringify(stored)).not.toContain(one["challenge"]);

    const reauthentication = authenticator.get(await reauthenticationOptions(app, token));
    const signingIn = await app.send(VERIFY_PASSKEY, { credential: reauthentication });
    expect(signingIn.errors).toEqual(invalidChallenge);
    const passkey = authenticator.get(one);
    expect((await app.send(REAUTHENTICATE_WITH_PASSKEY, { passkey }, { token })).errors).toEqual(
      invalidChallenge,
    );
    const challenge = await challengeFor(app, username);
    const alone = authenticator.get(await signInOptions(app, challenge));
    expect((await app.send(VERIFY_PASSKEY, { credential: alone })).errors).toEqual(invalidChallenge);
    // Nothing was consumed.
    expect((await app.send(VERIFY_PASSKEY, { challenge, credential: alone })).errors).toBeUndefined();
  });

  describe("an assertion", () => {
    let user: Awaited<ReturnType<typeof makePasskeyUser>>;
    beforeEach(async () => {
      user = await makePasskeyUser();
    });

    test.each<[string, Behaviour]>([
      ["of another origin", { origin: "https://evil.example" }],
      ["of another port", { origin: "http://localhost:4001" }],
      ["for another relying party", { rpId: "evil.example" }],
      ["without user verification", { uv: false }],
      ["without user presence", { up: false }],
      ["of another ceremony", { type: "webauthn.create" }],
      [
        "in a frame of another origin",
        { clientData: { crossOrigin: true, topOrigin: "https://evil.example" } },
      ],
      ["in a frame, by a browser that does not say where", { clientData: { crossOrigin: true } }],
      ["without the user's id", { userHandle: undefined }],
      ["with another user's id", { userHandle: Buffer.from("someone else").toString("base64url") }],
      ["of a passkey that claims to be synced", { synced: true }],
    ])("%s is rejected", async (_, behaviour) => {
      const { status, errors } = await signIn(user.authenticator, behaviour);
      expect([status, errors]).toEqual([401, invalidPasskey]);
      expect(await lastFailure(user.id)).toBe("INVALID_PASSKEY");
      expect((await signIn(user.authenticator)).data?.verifyPasskey.user.username).toBe(user.username);
    });

    test("with a changed byte anywhere is rejected", async () => {
      const credential = user.authenticator.get(await signInOptions(app));
      for (const name of ["authenticatorData", "signature"] as const) {
        const bytes = Buffer.from(credential.response[name], "base64url");
        for (const index of [0, bytes.length >> 1, bytes.length - 1]) {
          const changed = Buffer.from(bytes);
          changed[index]! ^= 1;
          const response = { ...credential.response, [name]: changed.toString("base64url") };
          const { errors } = await app.send(VERIFY_PASSKEY, { credential: { ...credential, response } });
          expect([name, index, errors]).toEqual([name, index, invalidPasskey]);
        }
      }
      expect((await app.send(VERIFY_PASSKEY, { credential })).errors).toBeUndefined();
    });

    test("of an unknown passkey is rejected, and recorded for nobody", async () => {
      const { errors } = await signIn(new SoftwareAuthenticator(), { userHandle: "AAAA" });
      expect(errors).toEqual(invalidPasskey);
      expect(await lastFailure()).toBe("INVALID_PASSKEY");
    });

    test("signed by another's passkey under this one's id is rejected", async () => {
      const { authenticator } = await makePasskeyUser();
      const credential = authenticator.get(await signInOptions(app));
      const id = user.authenticator.credentialId;
      const userHandle = Buffer.from(user.id).toString("base64url");
      const response = { ...credential.response, userHandle };
      const forged = { ...credential, id, rawId: id, response };
      expect((await app.send(VERIFY_PASSKEY, { credential: forged })).errors).toEqual(invalidPasskey);
    });

    test("for the challenge of another account is rejected", async () => {
      const { authenticator } = await makePasskeyUser();
      const challenge = await challengeFor(app, user.username);
      const options = await signInOptions(app, challenge);
      const credential = authenticator.get(options);
      expect((await app.send(VERIFY_PASSKEY, { challenge, credential })).errors).toEqual(invalidPasskey);
      expect(await lastFailure(user.id)).toBe("INVALID_PASSKEY");
      // Nor does it answer one challenge with the signature of another.
      const ownAlone = user.authenticator.get(await signInOptions(app));
      const mixed = await app.send(VERIFY_PASSKEY, { challenge, credential: ownAlone });
      expect(mixed.errors).toEqual(invalidPasskey);
      const own = user.authenticator.get(options);
      expect((await app.send(VERIFY_PASSKEY, { challenge, credential: own })).errors).toBeUndefined();
    });

    test("with a counter that does not grow is rejected and recorded, and consumes no challenge", async () => {
      const { authenticator, id } = user;
      expect((await signIn(authenticator, { counter: 7 })).errors).toBeUndefined();
      for (const counter of [7, 6, 0]) {
        expect((await signIn(authenticator, { counter })).errors).toEqual(invalidPasskey);
        expect(await lastFailure(id)).toBe("PASSKEY_COUNTER");
      }
      const options = await signInOptions(app);
      const stale = authenticator.get(options, { counter: 7 });
      expect((await app.send(VERIFY_PASSKEY, { credential: stale })).errors).toEqual(invalidPasskey);
      const credential = authenticator.get(options, { counter: 8 });
      expect((await app.send(VERIFY_PASSKEY, { credential })).errors).toBeUndefined();
    });

    test("of one counter works once in parallel", async () => {
      const { authenticator } = user;
      const all = [await signInOptions(app), await signInOptions(app)];
      const answers = await Promise.all(
        all.map((options) =>
          app.send(VERIFY_PASSKEY, { credential: authenticator.get(options, { counter: 9 }) }),
        ),
      );
      expect(answers.filter(({ data }) => data)).toHaveLength(1);
      expect(answers.find(({ errors }) => errors)?.errors).toEqual(invalidPasskey);
    });

    test("of a deleted passkey is rejected", async () => {
      const { authenticator, passkey, token } = user;
      const credential = authenticator.get(await signInOptions(app));
      await app.send(DELETE_PASSKEY, { id: passkey.id }, { token });
      expect((await app.send(VERIFY_PASSKEY, { credential })).errors).toEqual(invalidPasskey);
    });
  });

  test("a synced passkey has counter 0 for ever", async () => {
    const { authenticator } = await makePasskeyUser({ synced: true });
    for (let use = 0; use < 3; use++) {
      const { data } = await signIn(authenticator);
      expect(decodeJwt(data!.verifyPasskey.accessToken)["amr"]).toEqual(["swk", "user", "mfa"]);
    }
  });

  test("a disabled account, or an unverified address, is said only after a valid passkey", async () => {
    const { authenticator, username, id } = await makePasskeyUser();
    await app.latchkey.operator.disable(username);
    expect((await signIn(authenticator, { uv: false })).errors).toEqual(invalidPasskey);
    const disabled = await signIn(authenticator);
    expect([disabled.status, disabled.errors?.[0]?.extensions]).toEqual([403, { code: "ACCOUNT_DISABLED" }]);
    await app.latchkey.operator.enable(username);
    const users = app.latchkey.db.updateTable("users").where("id", "=", id);
    await users.set({ email_verified_at: null }).execute();
    expect((await signIn(authenticator)).errors?.[0]?.extensions).toEqual({ code: "EMAIL_NOT_VERIFIED" });
  });

  test("reauthentication with a passkey renews the session, for its own user only", async () => {
    const { authenticator, token, username } = await makePasskeyUser();
    const other = await makePasskeyUser();
    app.clock.advance(11 * MINUTE);
    const options = await reauthenticationOptions(app, token);
    const foreign = other.authenticator.get(options);
    const answer = await app.send(REAUTHENTICATE_WITH_PASSKEY, { passkey: foreign }, { token });
    expect(answer.errors).toEqual(invalidPasskey);
    const passkey = authenticator.get(options);
    const stolen = await app.send(REAUTHENTICATE_WITH_PASSKEY, { passkey }, { token: other.token });
    expect(stolen.errors).toEqual(invalidChallenge);
    const renewed = await app.send(REAUTHENTICATE_WITH_PASSKEY, { passkey }, { token });
    expect(renewed.data?.reauthenticate).toMatchObject({ refreshToken: null, user: { username } });
    const claims = decodeJwt(renewed.data!.reauthenticate.accessToken);
    expect(claims).toMatchObject({
      auth_time: Math.floor(app.clock.now() / 1000),
      amr: ["pwd", "hwk", "user", "mfa"],
    });
    const again = await app.send(REAUTHENTICATE_WITH_PASSKEY, { passkey }, { token });
    expect(again.errors).toEqual(invalidChallenge);
  });

  test("nobody gets the options of a user without a passkey", async () => {
    const user = await makeUser(app);
    await enrollTotp(app, user.token);
    const challenge = await challengeFor(app, user.username);
    const { errors } = await app.send(PASSKEY_OPTIONS, { challenge });
    expect(errors?.[0]).toMatchObject({ message: "You have no passkey.", extensions: { code: "NOT_FOUND" } });
  });
});

test("pages of every configured origin sign in, and of no other", async () => {
  const origins = ["https://app.example.com", "https://admin.example.com"];
  const app = await makeApp({
    env: { WEBAUTHN_RP_ID: "example.com", WEBAUTHN_ORIGINS: origins.join(", ") },
  });
  const { token } = await makeUser(app);
  const authenticator = new SoftwareAuthenticator();
  const rpId = "example.com";
  await registerPasskey(app, token, authenticator, "laptop", { rpId, origin: origins[1]! });
  for (const origin of origins) {
    const credential = authenticator.get(await signInOptions(app), { rpId, origin });
    expect((await app.send(VERIFY_PASSKEY, { credential })).errors).toBeUndefined();
  }
  for (const behaviour of [
    { rpId, origin: ORIGIN },
    { rpId, origin: "https://example.com" },
    { rpId: "app.example.com", origin: origins[0]! },
  ]) {
    const credential = authenticator.get(await signInOptions(app), behaviour);
    expect((await app.send(VERIFY_PASSKEY, { credential })).errors).toEqual(invalidPasskey);
  }
  await app.close();
});

/** Sends a request many times, some of them at a time. @returns how many ended with each code */
async function repeat(times: number, send: () => Promise<Answer<unknown>>) {
  const codes = new Map<unknown, number>();
  for (let n = 0; n < times; n += 50) {
    for (const { errors } of await Promise.all(Array.from({ length: 50 }, send))) {
      const code = errors?.[0]?.extensions?.["code"];
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
  }
  return codes;
}

describe("the limits of passkeys", () => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp();
  });
  afterAll(() => app.close());
  const from = "203.0.113.9";

  test("invalid passkeys are limited per network, and a valid one always works", async () => {
    const { token } = await makeUser(app);
    const { authenticator } = await registerPasskey(app, token);
    const valid = authenticator.get(await signInOptions(app));
    const invalid = authenticator.get(await signInOptions(app), { origin: "https://evil.example" });
    const codes = await repeat(350, () => app.send(VERIFY_PASSKEY, { credential: invalid }, { from }));
    expect(Object.fromEntries(codes)).toEqual({ INVALID_CREDENTIALS: 300, RATE_LIMITED: 50 });
    const { data } = await app.send(VERIFY_PASSKEY, { credential: valid }, { from });
    expect(data?.verifyPasskey.accessToken).toBeDefined();
  });

  test("challenges to sign in with a passkey alone are limited per network", async () => {
    const codes = await repeat(350, () => app.send(PASSKEY_OPTIONS, {}, { from }));
    expect([codes.get(undefined), codes.get("RATE_LIMITED")]).toEqual([300, 50]);
    const { token, username } = await makeUser(app);
    await registerPasskey(app, token);
    const challenge = await challengeFor(app, username, { from });
    expect(await signInOptions(app, challenge, { from })).toMatchObject({ challenge });
  });
});
