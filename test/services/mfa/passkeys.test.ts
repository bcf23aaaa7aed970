import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { MINUTE } from "../../../src/clock.js";
import type { PrintedMailer } from "../../../src/email/printed.js";
import { type Answer, type App, makeApp } from "../../support/app.js";
import {
  type Behaviour,
  registerPasskey,
  registrationOptions,
  SoftwareAuthenticator,
  signInOptions,
} from "../../support/authenticator.js";
import { DATABASES } from "../../support/databases.js";
import {
  DELETE_PASSKEY,
  MY_MFA,
  MY_PASSKEYS,
  MY_SESSIONS,
  REGISTER_PASSKEY,
  RENAME_PASSKEY,
  START_PASSKEY_REAUTHENTICATION,
  START_PASSKEY_REGISTRATION,
  VERIFY_PASSKEY,
} from "../../support/operations.js";
import { enrollTotp } from "../../support/totp.js";
import { makeUser } from "../../support/users.js";

const errorOf = (code: string, message: string, details = {}) => [
  expect.objectContaining({ message, extensions: { code, ...details } }),
];
const INVALID_PASSKEY = errorOf("INVALID_CREDENTIALS", "The passkey could not be verified.");
const INVALID_CHALLENGE = errorOf("INVALID_TOKEN", "The challenge is unknown, used or expired. Start again.");
const NO_SUCH_PASSKEY = errorOf("NOT_FOUND", "You have no passkey with this id.");

describe.each(DATABASES)("a user's passkeys on %s", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database });
  });
  afterAll(() => app.close());

  async function auditOf(subjectId: string) {
    const events = await app.latchkey.db
      .selectFrom("audit_events")
      .select("type")
      .where("subject_id", "=", subjectId)
      .where("type", "like", "PASSKEY%")
      .orderBy("id")
      .execute();
    return events.map(({ type }) => type);
  }

  test("the first one brings recovery codes, the next one none, and the last one takes them along", async () => {
    const { id, username, token, email } = await makeUser(app);
    const { data } = await app.send(START_PASSKEY_REGISTRATION, {}, { token });
    expect(data?.startPasskeyRegistration).toEqual({
      publicKey: {
        challenge: expect.stringMatching(/^[\w-]{43}$/),
        rp: { id: "localhost", name: "localhost" },
        user: { id: Buffer.from(id).toString("base64url"), name: username, displayName: username },
        pubKeyCredParams: [-8, -7, -257].map((alg) => ({ alg, type: "public-key" })),
        timeout: 300_000,
        attestation: "none",
        excludeCredentials: [],
        authenticatorSelection: {
          residentKey: "preferred",
          requireResidentKey: false,
          userVerification: "preferred",
        },
        extensions: { credProps: true },
        hints: [],
      },
      expiresAt: new Date(app.clock.now() + 5 * MINUTE).toISOString(),
    });
    const laptop = await registerPasskey(app, token);
    expect(laptop.passkey).toEqual({
      id: expect.any(String),
      name: "laptop",
      synced: false,
      createdAt: new Date(app.clock.now()).toISOString(),
      lastUsedAt: null,
    });
    expect(laptop.recoveryCodes).toHaveLength(10);
    const phone = await registerPasskey(app, token, new SoftwareAuthenticator({ synced: true }), "phone");
    expect([phone.passkey.synced, phone.recoveryCodes]).toEqual([true, []]);
    expect((await registrationOptions(app, token))["excludeCredentials"]).toEqual(
      [laptop, phone].map(({ authenticator }) => ({
        id: authenticator.credentialId,
        type: "public-key",
        transports: ["hybrid", "internal"],
      })),
    );
    const status = await app.send(MY_MFA, {}, { token });
    expect(status.data?.myMfa).toEqual({ enabled: true, totp: false, passkeys: 2, recoveryCodesLeft: 10 });

    const renamed = await app.send(RENAME_PASSKEY, { id: phone.passkey.id, name: "old phone" }, { token });
    expect(renamed.data?.renamePasskey).toEqual({ id: phone.passkey.id, name: "old phone" });
    const listed = await app.send(MY_PASSKEYS, {}, { token });
    expect(listed.data?.myPasskeys.map(({ name }) => name)).toEqual(["laptop", "old phone"]);

    for (const { passkey } of [laptop, phone]) {
      const { errors } = await app.send(DELETE_PASSKEY, { id: passkey.id }, { token });
      expect(errors).toBeUndefined();
    }
    const without = await app.send(MY_MFA, {}, { token });
    expect(without.data?.myMfa).toEqual({ enabled: false, totp: false, passkeys: 0, recoveryCodesLeft: 0 });
    expect(await auditOf(id)).toEqual([
      "PASSKEY_ADDED",
      "PASSKEY_ADDED",
      "PASSKEY_REMOVED",
      "PASSKEY_REMOVED",
    ]);
    await app.latchkey.outbox.deliverDue();
    const { emails } = app.latchkey.mailer as PrintedMailer;
    const subjects = emails.filter(({ to }) => to === email).map(({ subject }) => subject);
    const [added, removed] = [
      "A passkey was added to your account",
      "A passkey was removed from your account",
    ];
    expect(subjects.sort()).toEqual([added, added, removed, removed]);
  });

  test("after an authenticator app, a passkey brings no recovery codes", async () => {
    const { token } = await makeUser(app);
    await enrollTotp(app, token);
    expect((await registerPasskey(app, token)).recoveryCodes).toEqual([]);
  });

  test("another user's passkey does not exist", async () => {
    const { token } = await makeUser(app);
    const { passkey } = await registerPasskey(app, token);
    const other = await makeUser(app);
    const { id } = passkey;
    const as = { token: other.token };
    expect((await app.send(RENAME_PASSKEY, { id, name: "mine" }, as)).errors).toEqual(NO_SUCH_PASSKEY);
    expect((await app.send(DELETE_PASSKEY, { id }, as)).errors).toEqual(NO_SUCH_PASSKEY);
    const again = await app.send(START_PASSKEY_REAUTHENTICATION, {}, as);
    expect(again.errors).toEqual(errorOf("NOT_FOUND", "You have no passkey."));
    const listed = await app.send(MY_PASSKEYS, {}, { token });
    expect(listed.data?.myPasskeys).toEqual([passkey]);
  });

  test("a passkey is registered once, whoever tries", async () => {
    const { token } = await makeUser(app);
    const { authenticator } = await registerPasskey(app, token);
    for (const as of [token, (await makeUser(app)).token]) {
      const credential = authenticator.create(await registrationOptions(app, as));
      const { errors } = await app.send(REGISTER_PASSKEY, { name: "copy", credential }, { token: as });
      expect(errors).toEqual(
        errorOf("CONFLICT", "This passkey is registered already.", { field: "credential" }),
      );
    }
  });

  test("there are at most 20", async () => {
    const { token } = await makeUser(app);
    for (let n = 0; n < 19; n++) await registerPasskey(app, token);
    const credential = new SoftwareAuthenticator().create(await registrationOptions(app, token));
    const full = errorOf("LIMIT_REACHED", "You have 20 passkeys, which is the maximum. Delete one first.");
    await registerPasskey(app, token);
    const started = await app.send(START_PASSKEY_REGISTRATION, {}, { token });
    expect(started.errors).toEqual(full);
    expect((await app.send(MY_PASSKEYS, {}, { token })).data?.myPasskeys).toHaveLength(20);
    // The registration that was replaced.
    const late = await app.send(REGISTER_PASSKEY, { name: "late", credential }, { token });
    expect(late.errors).toEqual(INVALID_CHALLENGE);
  });

  test("a challenge registers one passkey, for its own user, for five minutes (row 50)", async () => {
    const { token } = await makeUser(app);
    const other = await makeUser(app);
    const options = await registrationOptions(app, token);
    const register = (as: string, credential: Record<string, unknown>) =>
      app.send(REGISTER_PASSKEY, { name: "laptop", credential }, { token: as });
    const stolen = await register(other.token, new SoftwareAuthenticator().create(options));
    expect(stolen.errors).toEqual(INVALID_CHALLENGE);
    const answers = await Promise.all(
      [1, 2].map(() => register(token, new SoftwareAuthenticator().create(options))),
    );
    expect(answers.filter(({ data }) => data)).toHaveLength(1);
    expect(answers.find(({ errors }) => errors)?.errors).toEqual(INVALID_CHALLENGE);
    const late = new SoftwareAuthenticator().create(await registrationOptions(app, token));
    app.clock.advance(5 * MINUTE);
    expect((await register(token, late)).errors).toEqual(INVALID_CHALLENGE);
    const foreign = new SoftwareAuthenticator().create({
      ...(await registrationOptions(app, token)),
      challenge: (await signInOptions(app))["challenge"],
    });
    expect((await register(token, foreign)).errors).toEqual(INVALID_CHALLENGE);
  });

  test.each<[string, Behaviour]>([
    ["of another origin", { origin: "https://evil.example" }],
    ["for another relying party", { rpId: "evil.example" }],
    ["without user presence", { up: false }],
    ["of another ceremony", { type: "webauthn.get" }],
    ["in a frame of another origin", { clientData: { crossOrigin: true } }],
    ["with an unknown attestation", { attestation: { fmt: "mine", attStmt: new Map() } }],
    ["with an attestation in none", { attestation: { fmt: "none", attStmt: new Map([["sig", "x"]]) } }],
  ])("a registration %s is rejected, and can be repeated", async (_, behaviour) => {
    const { id, token } = await makeUser(app);
    const options = await registrationOptions(app, token);
    const authenticator = new SoftwareAuthenticator();
    const register = (credential: Record<string, unknown>) =>
      app.send(REGISTER_PASSKEY, { name: "laptop", credential }, { token });
    const rejected = await register(authenticator.create(options, behaviour));
    expect([rejected.status, rejected.errors]).toEqual([401, INVALID_PASSKEY]);
    expect(await auditOf(id)).toEqual([]);
    expect((await register(authenticator.create(options))).errors).toBeUndefined();
  });

  test("registering counts as an authentication with the passkey", async () => {
    const { token } = await makeUser(app);
    app.clock.advance(5 * MINUTE);
    await registerPasskey(app, token);
    app.clock.advance(9 * MINUTE);
    expect((await app.send(START_PASSKEY_REGISTRATION, {}, { token })).errors).toBeUndefined();
    const { data } = await app.send(MY_SESSIONS, {}, { token });
    expect(data?.mySessions[0]?.authenticationMethods).toEqual([
      "PASSWORD",
      "HARDWARE_KEY",
      "USER_PRESENCE",
      "MULTIPLE_FACTORS",
    ]);
  });

  test("adding and deleting need a recent authentication, renaming does not", async () => {
    const { token } = await makeUser(app);
    const { passkey } = await registerPasskey(app, token);
    const credential = new SoftwareAuthenticator().create(await registrationOptions(app, token));
    app.clock.advance(11 * MINUTE);
    const { id } = passkey;
    const answers = [
      await app.send(START_PASSKEY_REGISTRATION, {}, { token }),
      await app.send(REGISTER_PASSKEY, { name: "late", credential }, { token }),
      await app.send(DELETE_PASSKEY, { id }, { token }),
    ];
    for (const { errors } of answers) {
      expect(errors?.[0]?.extensions).toEqual({
        code: "REAUTHENTICATION_REQUIRED",
        maxAge: 600,
        methods: ["PASSKEY"],
      });
    }
    expect((await app.send(RENAME_PASSKEY, { id, name: "mine" }, { token })).errors).toBeUndefined();
  });
});

describe("a credential that no browser made", () => {
  let app: App;
  let token: string;
  beforeAll(async () => {
    app = await makeApp();
    ({ token } = await makeUser(app));
  });
  afterAll(() => app.close());

  const json = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const hex = (value: string) => Buffer.from(value, "hex").toString("base64url");

  /** Sets a part of a credential. */
  function change(credential: object, path: string, value: unknown) {
    const copy = structuredClone(credential) as Record<string, unknown>;
    const [outer = "", inner] = path.split(".");
    if (inner === undefined) copy[outer] = value;
    else (copy[outer] as Record<string, unknown>)[inner] = value;
    return copy;
  }

  async function register(path: string, value: unknown) {
    const created = new SoftwareAuthenticator().create(await registrationOptions(app, token));
    return app.send(REGISTER_PASSKEY, { name: "x", credential: change(created, path, value) }, { token });
  }

  async function verify(path: string, value: unknown) {
    const asserted = new SoftwareAuthenticator().get(await signInOptions(app));
    return app.send(VERIFY_PASSKEY, { credential: change(asserted, path, value) });
  }

  function expectRefused({ errors, text }: Answer<unknown>, code: string) {
    expect(errors?.[0]?.extensions?.["code"]).toBe(code);
    expect(text).not.toContain("CANARY");
  }

  test.each<[string, path: string, value: unknown, code?: string]>([
    ["no id", "id", undefined],
    ["a number as id", "id", 1],
    ["an empty id", "id", ""],
    ["an id that is not base64url", "id", "CANARY-\u{1f511}"],
    ["another raw id", "rawId", "CANARY"],
    ["another type", "type", "password"],
    ["no response", "response", null],
    ["a text as response", "response", "CANARY"],
    ["a list as response", "response", []],
    ["no client data", "response.clientDataJSON", undefined],
    ["an object as client data", "response.clientDataJSON", { toString: "CANARY" }],
    ["client data that are not JSON", "response.clientDataJSON", "AAAA"],
    ["client data that are too long", "response.clientDataJSON", "A".repeat(8193)],
    ["null as client data", "response.clientDataJSON", json(null)],
    ["a list as client data", "response.clientDataJSON", json([])],
    ["a number as challenge", "response.clientDataJSON", json({ challenge: 1 })],
    ["an unknown challenge", "response.clientDataJSON", json({ challenge: "CANARY" }), "INVALID_TOKEN"],
  ])("%s is refused", async (_, path, value, code = "BAD_USER_INPUT") => {
    expectRefused(await register(path, value), code);
    expectRefused(await verify(path, value), code);
  });

  test.each<[string, value: unknown, code?: string]>([
    ["none", undefined, "BAD_USER_INPUT"],
    ["a list", [], "BAD_USER_INPUT"],
    ["a long one", "A".repeat(16_385), "BAD_USER_INPUT"],
    ["one that is not CBOR", "AAAA"],
    ["endless lists", hex("81".repeat(12_000))],
    ["a list of endless length", hex("9bffffffffffffffff")],
    ["a map without an end", hex("bf")],
    ["a map without authenticator data", hex("a163666d74646e6f6e65")],
    [
      "authenticator data that are too short",
      hex("a363666d74646e6f6e656761747453746d74a06861757468446174614100"),
    ],
  ])("%s as attestation object is refused", async (_, value, code = "INVALID_CREDENTIALS") => {
    expectRefused(await register("response.attestationObject", value), code);
  });

  test.each<[string, path: string, value: unknown, code?: string]>([
    ["no authenticator data", "authenticatorData", undefined, "BAD_USER_INPUT"],
    ["authenticator data of one character", "authenticatorData", "A"],
    ["authenticator data that are too short", "authenticatorData", "AAAA"],
    ["authenticator data of zeros", "authenticatorData", "A".repeat(8192)],
    ["no signature", "signature", undefined, "BAD_USER_INPUT"],
    ["a signature that is not base64url", "signature", "====", "BAD_USER_INPUT"],
    ["a signature that is not DER", "signature", "AAAA"],
    ["an object as user handle", "userHandle", {}, "BAD_USER_INPUT"],
    ["a user handle that is too long", "userHandle", "A".repeat(87), "BAD_USER_INPUT"],
  ])("%s is refused", async (_, part, value, code = "INVALID_CREDENTIALS") => {
    const { authenticator } = await registerPasskey(app, token);
    const credential = change(authenticator.get(await signInOptions(app)), `response.${part}`, value);
    expectRefused(await app.send(VERIFY_PASSKEY, { credential }), code);
  });

  test.each<[unknown, string[]]>([
    ["internal", []],
    [[1, null, "CANARY", "usb"], ["usb"]],
  ])("of transports such as %j, the known ones are kept", async (transports, known) => {
    const { token } = await makeUser(app);
    const created = new SoftwareAuthenticator().create(await registrationOptions(app, token));
    const credential = change(created, "response.transports", transports);
    expect((await app.send(REGISTER_PASSKEY, { name: "x", credential }, { token })).errors).toBeUndefined();
    const { excludeCredentials } = (await registrationOptions(app, token)) as {
      excludeCredentials: { transports: string[] }[];
    };
    expect(excludeCredentials[0]?.transports).toEqual(known);
  });

  test("says what is expected", async () => {
    const message = "credential must be the toJSON() of what navigator.credentials.get returned";
    const { status, errors } = await app.send(VERIFY_PASSKEY, { credential: {} });
    expect(status).toBe(400);
    expect(errors?.[0]?.extensions).toEqual({
      code: "BAD_USER_INPUT",
      violations: [{ field: "credential", rule: "passkey", message }],
    });
  });
});

test("without a host name to serve, passkeys say what is missing", async () => {
  const app = await makeApp({ env: { APP_URL: "https://192.0.2.7" } });
  const { token } = await makeUser(app);
  const { status, errors } = await app.send(START_PASSKEY_REGISTRATION, {}, { token });
  expect([status, errors]).toEqual([
    403,
    errorOf(
      "FORBIDDEN",
      "Passkeys are not configured on this server: the operator must set WEBAUTHN_RP_ID and WEBAUTHN_ORIGINS.",
    ),
  ]);
  await app.close();
});
