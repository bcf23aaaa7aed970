import { beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Latchkey } from "@latchkey/client";
import type { Browser } from "puppeteer-core";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { openPage, servePage, startBrowser } from "../support/browser.js";
import { bundleClient, startClient } from "../support/client-page.js";
import { RECENT } from "../support/sessions.js";
import { makeUser } from "../support/users.js";

// In the page.
declare const client: typeof import("@latchkey/client");
declare const latchkey: Latchkey;

describe("passkeys in Chromium", () => {
  let app: App;
  let browser: Browser;
  let origin: string;
  let url: string;
  let tab: Awaited<ReturnType<typeof openPage>>;
  let authenticatorId: string;
  let user: Awaited<ReturnType<typeof makeUser>>;

  beforeAll(async () => {
    origin = await servePage(await bundleClient());
    app = await makeApp({ env: { CORS_ORIGINS: origin, WEBAUTHN_ORIGINS: origin } });
    url = app.address.replace("127.0.0.1", "localhost");
    browser = await startBrowser();
  });
  beforeEach(async () => {
    user = await makeUser(app);
    tab = await openPage(browser, origin);
    authenticatorId = await tab.addAuthenticator();
    await startClient(tab.page, `${url}/graphql`);
    await tab.page.evaluate(signIn, user.username, PASSWORD);
    await tab.page.evaluate(register);
  });

  // In the page:
  const signIn = async (username: string, password: string) =>
    (await latchkey.signIn(username, password)).step;
  const register = async () => {
    const { startPasskeyRegistration } = await latchkey.request<{
      startPasskeyRegistration: { publicKey: Record<string, unknown> };
    }>("mutation { startPasskeyRegistration { publicKey } }");
    const credential = await client.createPasskey(startPasskeyRegistration.publicKey);
    await latchkey.request(
      `mutation ($credential: JSONObject!) { registerPasskey(name: "laptop", credential: $credential) { recoveryCodes } }`,
      { credential },
    );
  };

  test("sign in without a username", async () => {
    await tab.page.evaluate(() => latchkey.signOut());
    expect(await tab.page.evaluate(() => latchkey.signInWithPasskey())).toMatchObject({
      step: "done",
      user: { username: user.username },
    });
    expect(await tab.page.evaluate(() => latchkey.state)).toMatchObject({ status: "signed-in" });
  });

  test("are a second factor", async () => {
    await tab.page.evaluate(() => latchkey.signOut());
    const done = await tab.page.evaluate(
      async (username, password) => {
        const step = await latchkey.signIn(username, password);
        return step.step === "second-factor" ? [step.methods, await step.verifyPasskey()] : [];
      },
      user.username,
      PASSWORD,
    );
    expect(done).toEqual([
      ["PASSKEY", "RECOVERY_CODE"],
      expect.objectContaining({ step: "done", user: expect.objectContaining({ id: user.id }) }),
    ]);
  });

  test("reauthenticate", async () => {
    app.clock.advance(RECENT + 1000);
    const regenerate = () =>
      latchkey.request("mutation { regenerateRecoveryCodes }").then(
        () => "OK",
        ({ code }) => code,
      );
    expect(await tab.page.evaluate(regenerate)).toBe("REAUTHENTICATION_REQUIRED");
    await tab.page.evaluate(() => latchkey.reauthenticate("passkey"));
    expect(await tab.page.evaluate(regenerate)).toBe("OK");
  });

  test("sign in from the autofill of a field", async () => {
    await tab.page.evaluate(() => latchkey.signOut());
    const step = await tab.page.evaluate(async () => {
      const prompt = { mediation: "conditional", signal: new AbortController().signal } as const;
      return (await latchkey.signInWithPasskey(prompt)).step;
    });
    expect(step).toBe("done");
  });

  test("that the user does not give leave them signed out", async () => {
    await tab.page.evaluate(() => latchkey.signOut());
    await tab.devtools.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: false });
    const decline = () => latchkey.signInWithPasskey().catch(({ name }) => name);
    expect(await tab.page.evaluate(decline)).toBe("NotAllowedError");
    expect(await tab.page.evaluate(() => latchkey.state.status)).toBe("signed-out");
  });
});
