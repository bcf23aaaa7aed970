import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { decodeJwt } from "jose";
import { type App, makeApp, PASSWORD } from "../../support/app.js";
import { DATABASES } from "../../support/databases.js";
import { LOGIN, MY_MFA, SIGN_IN, VERIFY_RECOVERY_CODE, VERIFY_TOTP } from "../../support/operations.js";
import { challengeFor, makeMfaUser } from "../../support/totp.js";

describe.each(DATABASES)("a second factor on %s", (database) => {
  let app: App;
  beforeAll(async () => {
    app = await makeApp({ database });
  });
  afterAll(() => app.close());

  test("login answers MFA_REQUIRED after the correct password, signIn the challenge, and a code completes it", async () => {
    const { username, code } = await makeMfaUser(app);
    const refused = await app.send(LOGIN, { username, password: PASSWORD });
    expect(refused.status).toBe(403);
    expect(refused.errors).toEqual([
      expect.objectContaining({
        message:
          "The password is correct, but the account has a second factor: answer the challenge in `extensions.mfa`.",
        extensions: {
          code: "MFA_REQUIRED",
          mfa: {
            challenge: expect.stringMatching(/^[\w-]{43}$/),
            methods: ["TOTP", "RECOVERY_CODE"],
            expiresAt: new Date(app.clock.now() + 300_000).toISOString(),
          },
        },
      }),
    ]);
    const { data } = await app.send(SIGN_IN, { username, password: PASSWORD });
    expect(data?.signIn).toEqual({
      __typename: "MfaChallenge",
      challenge: expect.any(String),
      methods: ["TOTP", "RECOVERY_CODE"],
      expiresAt: new Date(app.clock.now() + 300_000).toISOString(),
    });
    const challenge = await challengeFor(app, username);
    const verified = await app.send(VERIFY_TOTP, { challenge, code: code() });
    expect(verified.data?.verifyTotp.user).toEqual({ username, mfaEnabled: true });
    const claims = decodeJwt(verified.data!.verifyTotp.accessToken);
    expect(claims["amr"]).toEqual(["pwd", "otp", "mfa"]);
    expect(claims["auth_time"]).toBe(app.clock.now() / 1000);
  });

  test("a recovery code works once", async () => {
    const { username, token, recoveryCodes } = await makeMfaUser(app);
    expect(recoveryCodes).toHaveLength(10);
    const [code = ""] = recoveryCodes;
    const challenge = await challengeFor(app, username);
    const { data } = await app.send(VERIFY_RECOVERY_CODE, { challenge, code: ` ${code.toLowerCase()} ` });
    expect(data?.verifyRecoveryCode.user.username).toBe(username);
    const again = await app.send(VERIFY_RECOVERY_CODE, {
      challenge: await challengeFor(app, username),
      code,
    });
    expect(again.status).toBe(401);
    expect(again.errors?.[0]?.message).toBe("The code is wrong, or was used already.");
    const status = await app.send(MY_MFA, {}, { token });
    expect(status.data?.myMfa).toEqual({ enabled: true, totp: true, passkeys: 0, recoveryCodesLeft: 9 });
  });
});
