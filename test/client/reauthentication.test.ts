import { beforeAll, describe, expect, test } from "@jest/globals";
import type { ReauthenticationRequired } from "@latchkey/client";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { WRONG } from "../support/attempts.js";
import { makeClient, signedInClient } from "../support/client.js";
import { RECENT } from "../support/sessions.js";
import { makeMfaUser } from "../support/totp.js";

const START_TOTP = "mutation { startTotpEnrollment { secret } }";
const REGENERATE = "mutation { regenerateRecoveryCodes }";
const STARTED = { startTotpEnrollment: { secret: expect.any(String) } };

let app: App;
beforeAll(async () => {
  app = await makeApp();
});

/** A client whose user signed in too long ago, and is asked to prove who they are. */
async function staleClient(answer: () => Promise<boolean>, minutes = RECENT) {
  const asked: ReauthenticationRequired[] = [];
  const client = await signedInClient(app, {
    reauthenticate(required) {
      asked.push(required);
      return answer();
    },
  });
  app.clock.advance(minutes + 1000);
  return { ...client, asked };
}

describe("an operation that requires a recent authentication", () => {
  test("asks for it once for all, and is sent again", async () => {
    const { latchkey, asked, fields, storage } = await staleClient(async () => {
      await latchkey.reauthenticate({ password: PASSWORD });
      return true;
    });
    const before = storage.token;
    const answers = await Promise.all([latchkey.request(START_TOTP), latchkey.request(START_TOTP)]);
    expect(answers).toEqual([STARTED, STARTED]);
    expect(asked).toEqual([expect.objectContaining({ maxAge: 600, methods: ["PASSWORD"] })]);
    expect(fields().filter((field) => field === "reauthenticate")).toHaveLength(1);
    // The session is the same.
    expect(storage.token).toBe(before);
  });

  test("after a longer time is sent again for the expired token too", async () => {
    const { latchkey, fields } = await staleClient(async () => {
      await latchkey.reauthenticate({ password: PASSWORD });
      return true;
    }, 2 * RECENT);
    expect(await latchkey.request(START_TOTP)).toEqual(STARTED);
    const field = "startTotpEnrollment";
    expect(fields()).toEqual([field, "refreshToken", field, "reauthenticate", field]);
  });

  test.each([
    ["declines", async () => false],
    [
      "leaves",
      async () => {
        throw new Error("The dialog was closed.");
      },
    ],
  ])("fails when the user %s, and asks again next time", async (_, answer) => {
    const { latchkey, asked } = await staleClient(answer);
    for (const times of [1, 2]) {
      await expect(latchkey.request(START_TOTP)).rejects.toThrow(/authentication in the last|dialog/);
      expect(asked).toHaveLength(times);
    }
  });

  test("does not ask for ever when the proof is not enough", async () => {
    const { latchkey, asked, fields } = await staleClient(async () => true);
    await expect(latchkey.request(START_TOTP)).rejects.toMatchObject({
      code: "REAUTHENTICATION_REQUIRED",
      extensions: { maxAge: 600, methods: ["PASSWORD"] },
    });
    expect([asked.length, fields()]).toEqual([1, ["startTotpEnrollment", "startTotpEnrollment"]]);
  });

  test("fails when the app cannot ask", async () => {
    const { latchkey, fields } = await signedInClient(app);
    app.clock.advance(RECENT + 1000);
    await expect(latchkey.request(START_TOTP)).rejects.toMatchObject({ code: "REAUTHENTICATION_REQUIRED" });
    expect(fields()).toEqual(["startTotpEnrollment"]);
  });
});

describe("reauthenticating", () => {
  test("with a wrong password fails, and the session goes on", async () => {
    const { latchkey } = await signedInClient(app);
    await expect(latchkey.reauthenticate({ password: WRONG })).rejects.toMatchObject({
      code: "INVALID_CREDENTIALS",
    });
    expect(latchkey.state.status).toBe("signed-in");
  });

  test("with a code of the authenticator app", async () => {
    const user = await makeMfaUser(app);
    const { latchkey, storage } = makeClient(app);
    storage.token = user.refreshToken;
    app.clock.advance(RECENT + 1000);
    await expect(latchkey.request(REGENERATE)).rejects.toMatchObject({
      extensions: { code: "REAUTHENTICATION_REQUIRED", methods: ["TOTP"] },
    });
    await latchkey.reauthenticate({ code: user.code() });
    expect(await latchkey.request(REGENERATE)).toMatchObject({ regenerateRecoveryCodes: { length: 10 } });
  });
});
