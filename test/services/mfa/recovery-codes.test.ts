import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { SECOND } from "../../../src/clock.js";
import { newRecoveryCode } from "../../../src/crypto/recovery-codes.js";
import { errorOf, outcomeOf } from "../../support/answers.js";
import { type App, makeApp } from "../../support/app.js";
import { DATABASES } from "../../support/databases.js";
import {
  CONFIRM_TOTP,
  DISABLE_TOTP,
  MY_MFA,
  REGENERATE_RECOVERY_CODES,
  START_TOTP,
  VERIFY_RECOVERY_CODE,
} from "../../support/operations.js";
import { printedEmailsTo, signInWithCode, signInWithRecoveryCode } from "../../support/second-factors.js";
import { auditEventsOf } from "../../support/tables.js";
import { challengeFor, enrollTotp, makeMfaUser, totpCode } from "../../support/totp.js";
import { makeUser } from "../../support/users.js";

const ROUNDS = 20;
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

test("recovery codes are 120 random bits: 24 characters of 32, each as likely as any other (row 49)", () => {
  const codes = Array.from({ length: 10_000 }, newRecoveryCode);
  expect(new Set(codes).size).toBe(codes.length);
  const counts = new Map<string, number>();
  for (const code of codes) {
    expect(code).toMatch(/^[0-9A-HJKMNP-TV-Z]{6}(-[0-9A-HJKMNP-TV-Z]{6}){3}$/);
    for (const [place, character] of [...code.replaceAll("-", "")].entries()) {
      counts.set(`${place} ${character}`, (counts.get(`${place} ${character}`) ?? 0) + 1);
    }
  }
  // Each of the 24 places has each of the 32 characters 312 times on average; 8 standard deviations are 139.
  expect(counts.size).toBe(24 * ALPHABET.length);
  for (const [place, count] of counts) {
    expect([place, count > 312 - 139, count < 312 + 139]).toEqual([place, true, true]);
  }
});

test("neither recovery codes nor the secret of the app are in the database file (row 49)", async () => {
  const app = await makeApp();
  const { id, username, token } = await makeUser(app, "somebody-in-the-file");
  const { data } = await app.send(START_TOTP, {}, { token });
  const { secret, uri } = data!.startTotpEnrollment;
  const confirmed = await app.send(CONFIRM_TOTP, { code: totpCode(secret, app.clock.now()) }, { token });
  const codes = confirmed.data!.confirmTotpEnrollment;
  const [used = ""] = codes;
  const challenge = await challengeFor(app, username);
  expect(outcomeOf(await app.send(VERIFY_RECOVERY_CODE, { challenge, code: used }))).toBe("OK");
  const pending = await challengeFor(app, username);
  const stored = await app.latchkey.db.selectFrom("recovery_codes").selectAll().execute();
  expect(stored).toHaveLength(9);
  const file = app.databaseUrl.slice("sqlite:".length);
  const bytes = [file, `${file}-wal`].filter(existsSync).map((name) => readFileSync(name).toString("latin1"));
  const contents = bytes.join("").toLowerCase();
  // What is stored is found.
  for (const known of [username, id, stored[0]!.code_hash]) expect(contents).toContain(known.toLowerCase());
  const secrets = [
    ...codes,
    ...codes.map((code) => code.replaceAll("-", "")),
    secret,
    uri,
    challenge,
    pending,
  ];
  for (const text of secrets) {
    const encodings = [text, Buffer.from(text).toString("base64url"), Buffer.from(text).toString("hex")];
    for (const encoding of encodings) expect(contents).not.toContain(encoding.toLowerCase());
  }
  await app.close();
});

describe.each(DATABASES)("recovery codes on %s", (database) => {
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

  test("each signs in once, whatever way it is typed (row 49)", async () => {
    const { id, username } = await makeMfaUser(app);
    const characters = "01ABCDEFGHJKMNPQRSTVWX10";
    const spellings = [
      characters,
      "01abcd-efghjk-mnpqrs-tvwx10",
      " 01ABCD EFGHJK\tMNPQRS TVWX10 ",
      "0-1-A-B-C-D-E-F-G-H-J-K-M-N-P-Q-R-S-T-V-W-X-1-0",
      "OIABCD-EFGHJK-MNPQRS-TVWXlo",
      "oLABCD-EFGHJK-MNPQRS-TVWXiO",
    ];
    const code_hash = createHash("sha256").update(characters).digest("base64url");
    for (const spelling of spellings) {
      await app.latchkey.db.insertInto("recovery_codes").values({ user_id: id, code_hash }).execute();
      expect([spelling, await signInWithRecoveryCode(app, username, spelling)]).toEqual([spelling, "OK"]);
      expect(await signInWithRecoveryCode(other, username, spelling)).toBe("INVALID_CREDENTIALS");
      app.clock.advance(2000 * SECOND);
    }
    await app.latchkey.db.insertInto("recovery_codes").values({ user_id: id, code_hash }).execute();
    const others = [characters.slice(1), `${characters}0`, characters.replace("B", "8"), `${characters}_`];
    for (const wrong of others) {
      expect([wrong, await signInWithRecoveryCode(app, username, wrong)]).toEqual([
        wrong,
        "INVALID_CREDENTIALS",
      ]);
    }
  });

  test("are not those of another user, and no codes of an app (row 49)", async () => {
    const [one, two] = [await makeMfaUser(app), await makeMfaUser(app)];
    const [code = ""] = two.recoveryCodes;
    expect(await signInWithRecoveryCode(app, one.username, code)).toBe("INVALID_CREDENTIALS");
    expect(await signInWithCode(app, two.username, code)).toBe("INVALID_CREDENTIALS");
    expect(await signInWithRecoveryCode(app, two.username, two.code())).toBe("INVALID_CREDENTIALS");
    expect(await signInWithRecoveryCode(app, two.username, code)).toBe("OK");
  });

  test(`sign in once when two processes get one at the same time, in ${ROUNDS} rounds (row 49)`, async () => {
    const users = [await makeMfaUser(app), await makeMfaUser(app)];
    const uses = users.flatMap(({ username, recoveryCodes }) =>
      recoveryCodes.map((code) => ({ username, code })),
    );
    expect(uses).toHaveLength(ROUNDS);
    for (const [round, { username, code }] of uses.entries()) {
      const first = await challengeFor(app, username);
      const second = round % 2 === 0 ? first : await challengeFor(app, username);
      const outcomes = await Promise.all([
        app.send(VERIFY_RECOVERY_CODE, { challenge: first, code }).then(outcomeOf),
        other.send(VERIFY_RECOVERY_CODE, { challenge: second, code }).then(outcomeOf),
      ]);
      expect([round, outcomes.filter((outcome) => outcome === "OK")]).toEqual([round, ["OK"]]);
      const refusals = round % 2 === 0 ? ["INVALID_CREDENTIALS", "INVALID_TOKEN"] : ["INVALID_CREDENTIALS"];
      expect(refusals).toContain(outcomes.find((outcome) => outcome !== "OK"));
    }
    for (const { id } of users) {
      const events = await auditEventsOf(app.latchkey.db, id);
      const left: number[] = events.flatMap(({ type, details }) =>
        type === "RECOVERY_CODE_USED" ? [details.left] : [],
      );
      // Events of two processes in one millisecond have no order.
      expect(left.sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
  });

  test("fail once they are replaced (row 49)", async () => {
    const { username, token, recoveryCodes, code } = await makeMfaUser(app);
    const { data } = await app.send(REGENERATE_RECOVERY_CODES, {}, { token });
    const replaced = data!.regenerateRecoveryCodes;
    expect(new Set([...recoveryCodes, ...replaced]).size).toBe(20);
    for (const old of recoveryCodes.slice(0, 3)) {
      expect(await signInWithRecoveryCode(app, username, old)).toBe("INVALID_CREDENTIALS");
    }
    expect(await signInWithRecoveryCode(app, username, replaced[9]!)).toBe("OK");
    expect((await app.send(MY_MFA, {}, { token })).data?.myMfa.recoveryCodesLeft).toBe(9);
    expect(await signInWithCode(app, username, code())).toBe("OK");
  });

  test("go with the last second factor, and new ones come with the next (row 49)", async () => {
    const { id, username, token, recoveryCodes } = await makeMfaUser(app);
    expect((await app.send(DISABLE_TOTP, {}, { token })).data).toEqual({ disableTotp: true });
    const stored = () =>
      app.latchkey.db.selectFrom("recovery_codes").selectAll().where("user_id", "=", id).execute();
    expect(await stored()).toEqual([]);
    const refused = await app.send(REGENERATE_RECOVERY_CODES, {}, { token });
    expect(errorOf(refused)).toEqual({
      message: "You have no second factor. Add one first.",
      extensions: { code: "NOT_FOUND" },
    });
    const again = await enrollTotp(app, token);
    expect(await stored()).toHaveLength(10);
    expect(await signInWithRecoveryCode(app, username, recoveryCodes[0]!)).toBe("INVALID_CREDENTIALS");
    expect(await signInWithRecoveryCode(app, username, again.recoveryCodes[0]!)).toBe("OK");
  });
});

test("an email says how many recovery codes are left after one was used, and when to make new ones (row 49)", async () => {
  const app = await makeApp();
  const { username, email, token, recoveryCodes, code } = await makeMfaUser(app);
  for (const each of recoveryCodes) {
    expect(await signInWithRecoveryCode(app, username, each)).toBe("OK");
  }
  const emails = (await printedEmailsTo(app, email)).filter((text) => text.includes("recovery codes."));
  const counts = emails.map((text) => text.split("\n\n")[2]);
  expect(counts).toEqual([
    ...[9, 8, 7, 6, 5, 4, 3].map((left) => `You have ${left} recovery codes left.`),
    "You have 2 recovery codes left. Create new ones soon.",
    "You have 1 recovery code left. Create new ones soon.",
    "You have no recovery codes left. Create new ones soon.",
  ]);
  expect((await app.send(MY_MFA, {}, { token })).data?.myMfa).toEqual({
    enabled: true,
    totp: true,
    passkeys: 0,
    recoveryCodesLeft: 0,
  });
  const user = app.latchkey.db.selectFrom("users").select("mfa_methods").where("username", "=", username);
  expect(await user.executeTakeFirst()).toEqual({ mfa_methods: "TOTP" });
  expect(await signInWithCode(app, username, code())).toBe("OK");
  await app.close();
});
