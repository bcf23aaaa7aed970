import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { SECOND } from "../../../src/clock.js";
import { StoredSecrets } from "../../../src/crypto/stored-secrets.js";
import { totpStepOf } from "../../../src/crypto/totp.js";
import { outcomeOf } from "../../support/answers.js";
import { type App, FrozenClock, makeApp, SECRET_KEY } from "../../support/app.js";
import { DATABASES } from "../../support/databases.js";
import { CONFIRM_TOTP, REAUTHENTICATE, START_TOTP, VERIFY_TOTP } from "../../support/operations.js";
import { challengeFor, makeMfaUser } from "../../support/totp.js";
import { makeUser } from "../../support/users.js";

const STEP = 30 * SECOND;
const ROUNDS = 20;

/** RFC 6238, appendix B: times in seconds, and the codes of its SHA-1 secret. Apps show the last six digits. */
const RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const VECTORS = [
  [59, "94287082"],
  [1_111_111_109, "07081804"],
  [1_111_111_111, "14050471"],
  [1_234_567_890, "89005924"],
  [2_000_000_000, "69279037"],
  [20_000_000_000, "65353130"],
] as const;

test.each(VECTORS)("RFC 6238's code for second %i is that of its time step (row 48)", (second, code) => {
  const now = second * SECOND;
  expect(totpStepOf(RFC_SECRET, code.slice(-6), now)).toBe(Math.floor(now / STEP));
});

test("RFC 6238's codes enroll an app and sign in at their times (row 48)", async () => {
  const clock = new FrozenClock();
  clock.advance(VECTORS[0][0] * SECOND - clock.now());
  const app = await makeApp({ clock });
  const secrets = new StoredSecrets(
    { secretKey: () => SECRET_KEY, previousSecretKey: undefined },
    "authenticator secret",
  );
  for (const [second, eightDigits] of VECTORS) {
    clock.advance(second * SECOND - clock.now());
    const code = eightDigits.slice(-6);
    const { id, username, token } = await makeUser(app);
    await app.send(START_TOTP, {}, { token });
    const ofUser = app.latchkey.db.updateTable("totp_secrets").where("user_id", "=", id);
    await ofUser.set({ encrypted_secret: secrets.encrypt(Buffer.from(RFC_SECRET), id) }).execute();
    const confirmed = await app.send(CONFIRM_TOTP, { code }, { token });
    expect([second, confirmed.data?.confirmTotpEnrollment.length]).toEqual([second, 10]);
    const challenge = await challengeFor(app, username);
    expect(outcomeOf(await app.send(VERIFY_TOTP, { challenge, code }))).toBe("INVALID_CREDENTIALS");
    await ofUser.set({ last_step: 0 }).execute();
    const verified = await app.send(VERIFY_TOTP, { challenge, code });
    expect([second, verified.data?.verifyTotp.user.username]).toEqual([second, username]);
  }
  await app.close();
});

describe.each(DATABASES)("codes of an authenticator app on %s", (database) => {
  let app: App;
  let other: App;
  beforeAll(async () => {
    app = await makeApp({ database });
    other = await makeApp({ databaseUrl: app.databaseUrl, clock: app.clock });
  });
  afterAll(async () => {
    await other?.close();
    await app?.close();
  });

  const verify = async (username: string, code: string, at = app) =>
    outcomeOf(await at.send(VERIFY_TOTP, { challenge: await challengeFor(app, username), code }));

  test("are accepted one time step early or late, and not two (row 48)", async () => {
    const { username, code } = await makeMfaUser(app);
    app.clock.advance(4 * STEP);
    expect(await verify(username, code(-2))).toBe("INVALID_CREDENTIALS");
    expect(await verify(username, code(2))).toBe("INVALID_CREDENTIALS");
    expect(await verify(username, code(-1))).toBe("OK");
    expect(await verify(username, code())).toBe("OK");
    expect(await verify(username, code(1))).toBe("OK");
    // To the millisecond: the step ends when the next one begins.
    const last = code(1);
    app.clock.advance(2 * STEP + STEP - 1 - (app.clock.now() % STEP));
    const inTime = code(-1);
    app.clock.advance(1);
    expect(await verify(username, last)).toBe("INVALID_CREDENTIALS");
    expect(await verify(username, inTime)).toBe("INVALID_CREDENTIALS");
    expect(await verify(username, code(-1))).toBe("OK");
  });

  test("work once, and none of an earlier step works after one of a later (row 48)", async () => {
    const { username, code } = await makeMfaUser(app);
    expect(await verify(username, code(1))).toBe("OK");
    for (const used of [code(1), code(), code(-1)]) {
      expect(await verify(username, used, other)).toBe("INVALID_CREDENTIALS");
    }
    app.clock.advance(STEP);
    expect(await verify(username, code())).toBe("INVALID_CREDENTIALS");
    app.clock.advance(STEP);
    expect(await verify(username, code())).toBe("OK");
  });

  test("are not those of another user (row 48)", async () => {
    const [one, two] = [await makeMfaUser(app), await makeMfaUser(app)];
    expect(await verify(one.username, two.code())).toBe("INVALID_CREDENTIALS");
    expect(await verify(one.username, one.code())).toBe("OK");
  });

  test(`sign in once when two processes get one at the same time, in ${ROUNDS} rounds (row 48)`, async () => {
    const { username, code } = await makeMfaUser(app);
    for (let round = 0; round < ROUNDS; round++) {
      app.clock.advance(STEP);
      const first = await challengeFor(app, username);
      const second = round % 2 === 0 ? first : await challengeFor(app, username);
      const answers = await Promise.all([
        app.send(VERIFY_TOTP, { challenge: first, code: code() }),
        other.send(VERIFY_TOTP, { challenge: second, code: code() }),
      ]);
      const outcomes = answers.map(outcomeOf);
      expect([round, outcomes.filter((outcome) => outcome === "OK")]).toEqual([round, ["OK"]]);
      const refusals = round % 2 === 0 ? ["INVALID_CREDENTIALS", "INVALID_TOKEN"] : ["INVALID_CREDENTIALS"];
      expect(refusals).toContain(outcomes.find((outcome) => outcome !== "OK"));
    }
  });

  test(`sign in or reauthenticate, but not both, in ${ROUNDS} rounds (row 48)`, async () => {
    const { username, token, code } = await makeMfaUser(app);
    for (let round = 0; round < ROUNDS; round++) {
      app.clock.advance(STEP);
      const challenge = await challengeFor(app, username);
      const outcomes = await Promise.all([
        app.send(VERIFY_TOTP, { challenge, code: code() }).then(outcomeOf),
        other.send(REAUTHENTICATE, { code: code() }, { token }).then(outcomeOf),
      ]);
      expect([round, outcomes.sort()]).toEqual([round, ["INVALID_CREDENTIALS", "OK"]]);
    }
  });
});

describe("a text that is no code", () => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp();
  });
  afterAll(() => app.close());

  /** Spellings of a valid code, and the codes of the refusals: by the service, or already by the rule of the argument. */
  const SPELLINGS: Record<string, [spell: (code: string) => string, argumentRefuses?: boolean]> = {
    "full-width digits": [
      (code) => code.replace(/\d/g, (digit) => String.fromCharCode(0xff10 + Number(digit))),
    ],
    "Arabic-Indic digits": [
      (code) => code.replace(/\d/g, (digit) => String.fromCharCode(0x660 + Number(digit))),
    ],
    "five digits": [(code) => code.slice(1)],
    "a digit more": [(code) => `${code}0`],
    "a leading zero": [(code) => `0${code}`],
    "a sign": [(code) => `+${code.slice(1)}`],
    "a negative number": [(code) => `-${code.slice(1)}`],
    "a decimal point": [(code) => `${code}.0`],
    "an exponent": [(code) => `${code.slice(2)}e0`],
    "hexadecimal digits": [() => "0x1F2A"],
    "a line feed": [(code) => `${code}\n`],
    "two codes": [(code) => `${code} ${code}`],
    "an emoji of the right length": [() => "😀😀😀"],
    "spaces only": [() => "      "],
    nothing: [() => "", true],
    "a NUL": [(code) => `${code}\0`, true],
    "a lone surrogate": [(code) => `${code}\ud800`, true],
    "10 kB": [(code) => code.repeat(1700), true],
  };

  test.each(Object.entries(SPELLINGS))(
    "%s: is refused with a clear error",
    async (_, [spell, ofArgument]) => {
      const { username, token, code } = await makeMfaUser(app);
      const enrolling = await makeUser(app);
      const { data } = await app.send(START_TOTP, {}, { token: enrolling.token });
      expect(data?.startTotpEnrollment.secret).toHaveLength(32);
      const challenge = await challengeFor(app, username);
      const text = spell(code());
      const refusal = ofArgument ? "BAD_USER_INPUT" : "INVALID_CREDENTIALS";
      expect(outcomeOf(await app.send(VERIFY_TOTP, { challenge, code: text }))).toBe(refusal);
      expect(outcomeOf(await app.send(CONFIRM_TOTP, { code: text }, { token: enrolling.token }))).toBe(
        refusal,
      );
      expect(outcomeOf(await app.send(REAUTHENTICATE, { code: text }, { token }))).toBe(refusal);
      expect(outcomeOf(await app.send(VERIFY_TOTP, { challenge, code: code() }))).toBe("OK");
    },
  );

  test("spaces around and between the digits make no difference", async () => {
    const { username, code } = await makeMfaUser(app);
    const spaced = ` ${code().slice(0, 3)} ${code().slice(3)} `;
    const answer = await app.send(VERIFY_TOTP, {
      challenge: await challengeFor(app, username),
      code: spaced,
    });
    expect(outcomeOf(answer)).toBe("OK");
  });
});
