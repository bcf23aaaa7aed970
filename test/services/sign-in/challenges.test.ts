import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { HOUR, MINUTE } from "../../../src/clock.js";
import { hashOpaqueToken } from "../../../src/crypto/opaque-tokens.js";
import { OneTimeTokens } from "../../../src/services/email/one-time-tokens.js";
import { RESET_MFA } from "../../support/administration-operations.js";
import { errorOf, outcomeOf } from "../../support/answers.js";
import { type App, makeApp, NEW_PASSWORD, PASSWORD } from "../../support/app.js";
import { DATABASES } from "../../support/databases.js";
import {
  CHANGE_PASSWORD,
  CONFIRM_EMAIL_CHANGE,
  DISABLE_TOTP,
  ME,
  REFRESH,
  RESET_PASSWORD,
  SIGN_IN,
  VERIFY_EMAIL,
  VERIFY_RECOVERY_CODE,
  VERIFY_TOTP,
} from "../../support/operations.js";
import { challengeFor, makeMfaUser } from "../../support/totp.js";
import { makeUser } from "../../support/users.js";

const INVALID = {
  message: "The challenge is unknown, used or expired. Start again.",
  extensions: { code: "INVALID_TOKEN" },
};

describe.each(DATABASES)("a challenge on %s", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database });
  });
  afterAll(() => app.close());

  type MfaUser = Awaited<ReturnType<typeof makeMfaUser>>;
  const challenges = () => app.latchkey.db.selectFrom("challenges").selectAll();

  /** Expects neither a code of the app nor a recovery code to work with the challenge, and both to be left unused. */
  async function expectInvalid(challenge: string, { code, recoveryCodes }: MfaUser) {
    const answers = [
      await app.send(VERIFY_TOTP, { challenge, code: code() }),
      await app.send(VERIFY_RECOVERY_CODE, { challenge, code: recoveryCodes[0]! }),
    ];
    expect(answers.map(errorOf)).toEqual([INVALID, INVALID]);
  }

  test("is 256 random bits, and stored as a hash", async () => {
    const { username, id } = await makeMfaUser(app);
    const issued = [await challengeFor(app, username), await challengeFor(app, username)];
    for (const challenge of issued) {
      expect(challenge).toMatch(/^[\w-]{43}$/);
      expect(Buffer.from(challenge, "base64url")).toHaveLength(32);
    }
    const stored = await challenges().where("user_id", "=", id).execute();
    expect(stored.map((row) => row.challenge_hash).sort()).toEqual(issued.map(hashOpaqueToken).sort());
    expect(JSON.stringify(stored)).not.toContain(issued[0]);
  });

  test("is consumed by success, of either kind, and not by a wrong code", async () => {
    const user = await makeMfaUser(app);
    const challenge = await challengeFor(app, user.username);
    const wrong = await app.send(VERIFY_TOTP, { challenge, code: user.code(5) });
    expect(errorOf(wrong)).toEqual({
      message: "The code is wrong, or was used already.",
      extensions: { code: "INVALID_CREDENTIALS" },
    });
    expect(outcomeOf(await app.send(VERIFY_TOTP, { challenge, code: user.code() }))).toBe("OK");
    app.clock.advance(MINUTE);
    await expectInvalid(challenge, user);
    const next = await challengeFor(app, user.username);
    const code = user.recoveryCodes[0]!;
    expect(outcomeOf(await app.send(VERIFY_RECOVERY_CODE, { challenge: next, code }))).toBe("OK");
    await expectInvalid(next, { ...user, recoveryCodes: user.recoveryCodes.slice(1) });
    // What the invalid challenges came with is not used up.
    const last = await challengeFor(app, user.username);
    expect(outcomeOf(await app.send(VERIFY_TOTP, { challenge: last, code: user.code() }))).toBe("OK");
  });

  test("that is unknown, or is any other kind of token, is invalid", async () => {
    const user = await makeMfaUser(app);
    const tokens = new OneTimeTokens({ clock: app.clock });
    const reset = await tokens.issue(app.latchkey.db, "PASSWORD_RESET", {
      userId: user.id,
      email: user.email,
    });
    const challenge = await challengeFor(app, user.username);
    const others = [
      "A".repeat(43),
      challenge.toLowerCase(),
      `${challenge} `,
      `${challenge}=`,
      challenge.slice(0, -1),
      hashOpaqueToken(challenge),
      user.refreshToken,
      reset.token,
      user.id,
      "😀",
    ];
    for (const other of others) await expectInvalid(other, user);
    const empty = await app.send(VERIFY_TOTP, { challenge: "", code: user.code() });
    expect(outcomeOf(empty)).toBe("BAD_USER_INPUT");
    expect(outcomeOf(await app.send(VERIFY_TOTP, { challenge: user.token, code: user.code() }))).toBe(
      "BAD_USER_INPUT",
    );
    // Nor is it a token of another kind.
    const refusals = [
      await app.send(REFRESH, { refreshToken: challenge }),
      await app.send(RESET_PASSWORD, { token: challenge, newPassword: NEW_PASSWORD }),
      await app.send(VERIFY_EMAIL, { token: challenge }),
      await app.send(CONFIRM_EMAIL_CHANGE, { token: challenge }),
    ];
    expect(refusals.map(outcomeOf)).toEqual(refusals.map(() => "INVALID_TOKEN"));
    expect(outcomeOf(await app.send(ME, {}, { token: challenge }))).toBe("UNAUTHENTICATED");
    expect(outcomeOf(await app.send(VERIFY_TOTP, { challenge, code: user.code() }))).toBe("OK");
  });

  test("of another purpose is invalid", async () => {
    const user = await makeMfaUser(app);
    for (const purpose of ["PASSKEY_SIGN_IN", "REAUTHENTICATION", "PASSKEY_REGISTRATION"] as const) {
      const challenge = await challengeFor(app, user.username);
      const challenge_hash = hashOpaqueToken(challenge);
      const row = app.latchkey.db.updateTable("challenges").where("challenge_hash", "=", challenge_hash);
      await row.set({ purpose }).execute();
      await expectInvalid(challenge, user);
    }
  });

  test("expires after five minutes, to the millisecond, and is then removed by a job", async () => {
    const user = await makeMfaUser(app);
    const [inTime, late] = [await challengeFor(app, user.username), await challengeFor(app, user.username)];
    app.clock.advance(5 * MINUTE - 1);
    expect(outcomeOf(await app.send(VERIFY_TOTP, { challenge: inTime, code: user.code() }))).toBe("OK");
    app.clock.advance(1);
    await expectInvalid(late, user);
    await app.latchkey.db.deleteFrom("jobs").execute();
    app.clock.advance(HOUR);
    const valid = await challengeFor(app, user.username);
    await app.latchkey.jobs.runDue();
    const left = await challenges().execute();
    expect(left.map((row) => row.challenge_hash)).toEqual([hashOpaqueToken(valid)]);
  });

  test("signs in the account it was issued for, and takes no code of another", async () => {
    const [one, two] = [await makeMfaUser(app), await makeMfaUser(app)];
    const challenge = await challengeFor(app, one.username);
    const answers = [
      await app.send(VERIFY_TOTP, { challenge, code: two.code() }),
      await app.send(VERIFY_RECOVERY_CODE, { challenge, code: two.recoveryCodes[0]! }),
    ];
    expect(answers.map(outcomeOf)).toEqual(["INVALID_CREDENTIALS", "INVALID_CREDENTIALS"]);
    const { data } = await app.send(VERIFY_TOTP, { challenge, code: one.code() }, { token: two.token });
    expect(data?.verifyTotp.user.username).toBe(one.username);
  });

  const tokenFor = (purpose: "PASSWORD_RESET" | "EMAIL_CHANGE", user: MfaUser, email = user.email) =>
    new OneTimeTokens({ clock: app.clock }).issue(app.latchkey.db, purpose, { userId: user.id, email });

  const WITHDRAWALS: Record<string, (user: MfaUser) => Promise<unknown>> = {
    "a password reset": async (user) => {
      const { token } = await tokenFor("PASSWORD_RESET", user);
      return app.send(RESET_PASSWORD, { token, newPassword: NEW_PASSWORD });
    },
    "a password change": ({ token }) =>
      app.send(CHANGE_PASSWORD, { currentPassword: PASSWORD, newPassword: NEW_PASSWORD }, { token }),
    "a password set by the operator": ({ username }) =>
      app.latchkey.operator.setPassword(username, NEW_PASSWORD),
    "a new email address": async (user) => {
      const { token } = await tokenFor("EMAIL_CHANGE", user, `new-${user.email}`);
      return app.send(CONFIRM_EMAIL_CHANGE, { token });
    },
    "disabling the account, even when it is enabled again": async ({ username }) => {
      await app.latchkey.operator.disable(username);
      await app.latchkey.operator.enable(username);
    },
    "an administrator's resetMfa": async ({ id }) => {
      const { token } = await makeUser(app, undefined, ["ADMIN"]);
      return app.send(RESET_MFA, { userId: id }, { token });
    },
    "the operator's resetMfa": ({ username }) => app.latchkey.operator.resetMfa(username),
    "removing the last second factor": ({ token }) => app.send(DISABLE_TOTP, {}, { token }),
  };
  test.each(Object.entries(WITHDRAWALS))("is withdrawn by %s (row 71)", async (_, withdraw) => {
    const user = await makeMfaUser(app);
    const challenge = await challengeFor(app, user.username);
    const done = (await withdraw(user)) as { errors?: unknown } | undefined;
    expect(done?.errors).toBeUndefined();
    await expectInvalid(challenge, user);
  });

  test("of a disabled account says so only to whom has a valid code", async () => {
    const user = await makeMfaUser(app);
    const challenge = await challengeFor(app, user.username);
    // As if it was disabled between the password and the code, before challenges are withdrawn.
    const row = app.latchkey.db.updateTable("users").where("id", "=", user.id);
    await row.set({ disabled_at: app.clock.now() }).execute();
    const answers = [
      await app.send(VERIFY_TOTP, { challenge, code: user.code(5) }),
      await app.send(VERIFY_TOTP, { challenge, code: user.code() }),
    ];
    expect(answers.map(outcomeOf)).toEqual(["INVALID_CREDENTIALS", "ACCOUNT_DISABLED"]);
  });

  test("is not issued for a wrong password, nor for an unknown user", async () => {
    const { username } = await makeMfaUser(app);
    const before = await challenges().execute();
    const answers = [
      await app.send(SIGN_IN, { username, password: "CANARY-wrong" }),
      await app.send(SIGN_IN, { username: "nobody", password: "CANARY-wrong" }),
    ];
    expect(answers.map(errorOf)[0]).toEqual(answers.map(errorOf)[1]);
    expect(answers.map(outcomeOf)).toEqual(["INVALID_CREDENTIALS", "INVALID_CREDENTIALS"]);
    expect(await challenges().execute()).toEqual(before);
  });
});
