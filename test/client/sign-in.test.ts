import { beforeAll, describe, expect, test } from "@jest/globals";
import type { SecondFactorRequired, SignInStep } from "@latchkey/client";
import { MINUTE } from "../../src/clock.js";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { WRONG } from "../support/attempts.js";
import { ME_QUERY, makeClient } from "../support/client.js";
import { makeMfaUser } from "../support/totp.js";
import { makeUser } from "../support/users.js";

let app: App;
beforeAll(async () => {
  app = await makeApp();
});

function secondFactor(step: SignInStep): SecondFactorRequired {
  if (step.step !== "second-factor") throw new Error(step.step);
  return step;
}

describe("signing in", () => {
  test("with a wrong password throws", async () => {
    const { username } = await makeUser(app);
    const { latchkey } = makeClient(app);
    await expect(latchkey.signIn(username, WRONG)).rejects.toMatchObject({
      name: "LatchkeyError",
      code: "INVALID_CREDENTIALS",
      message: "The username or the password is wrong.",
    });
    expect(latchkey.state.status).toBe("loading");
  });

  test("with an authenticator app takes a second step, and a wrong code leaves it open", async () => {
    const { username, id, code } = await makeMfaUser(app);
    const { latchkey, fields } = makeClient(app);
    const step = secondFactor(await latchkey.signIn(username, PASSWORD));
    expect(step.methods).toEqual(["TOTP", "RECOVERY_CODE"]);
    await expect(step.verifyTotp("000000")).rejects.toMatchObject({ code: "INVALID_CREDENTIALS" });
    expect(latchkey.state.status).toBe("loading");
    expect(await step.verifyTotp(code())).toMatchObject({ step: "done", user: { id, mfaEnabled: true } });
    expect(await latchkey.request(ME_QUERY)).toEqual({ me: { username } });
    expect(fields()).toEqual(["signIn", "verifyTotp", "verifyTotp", "me"]);
  });

  test("with a recovery code", async () => {
    const { username, id, recoveryCodes } = await makeMfaUser(app);
    const { latchkey } = makeClient(app);
    const step = secondFactor(await latchkey.signIn(username, PASSWORD));
    expect(await step.verifyRecoveryCode(recoveryCodes[0]!)).toMatchObject({ step: "done", user: { id } });
  });

  test("starts again when the second step took more than five minutes", async () => {
    const { username, code } = await makeMfaUser(app);
    const { latchkey } = makeClient(app);
    const step = secondFactor(await latchkey.signIn(username, PASSWORD));
    app.clock.advance(6 * MINUTE);
    await expect(step.verifyTotp(code())).rejects.toMatchObject({ code: "INVALID_TOKEN" });
  });
});
