import { beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { decodeJwt } from "jose";
import type { Browser } from "puppeteer-core";
import { type App, makeApp } from "../support/app.js";
import { reauthenticationOptions, registrationOptions, signInOptions } from "../support/authenticator.js";
import { openPage, servePage, startBrowser } from "../support/browser.js";
import {
  DELETE_PASSKEY,
  REAUTHENTICATE_WITH_PASSKEY,
  REGISTER_PASSKEY,
  VERIFY_PASSKEY,
} from "../support/operations.js";
import { challengeFor } from "../support/totp.js";
import { makeUser } from "../support/users.js";

describe("passkeys in Chromium", () => {
  let app: App;
  let browser: Browser;
  let origin: string;
  let tab: Awaited<ReturnType<typeof openPage>>;
  let authenticatorId: string;
  let user: Awaited<ReturnType<typeof makeUser>>;

  beforeAll(async () => {
    [browser, origin] = await Promise.all([startBrowser(), servePage()]);
    app = await makeApp({ env: { WEBAUTHN_ORIGINS: origin } });
  });
  beforeEach(async () => {
    tab = await openPage(browser, origin);
    authenticatorId = await tab.addAuthenticator();
    user = await makeUser(app);
  });

  async function register(name = "laptop") {
    const credential = await tab.create(await registrationOptions(app, user.token));
    const { data, errors } = await app.send(REGISTER_PASSKEY, { name, credential }, { token: user.token });
    expect(errors).toBeUndefined();
    return data!.registerPasskey;
  }

  async function signIn() {
    return app.send(VERIFY_PASSKEY, { credential: await tab.get(await signInOptions(app)) });
  }

  const invalid = [expect.objectContaining({ extensions: { code: "INVALID_CREDENTIALS" } })];

  test("register, sign in without a username, reauthenticate, and delete", async () => {
    const { passkey, recoveryCodes } = await register();
    expect([passkey.synced, recoveryCodes.length]).toEqual([false, 10]);
    const { data } = await signIn();
    expect(data?.verifyPasskey.user.username).toBe(user.username);
    const token = data!.verifyPasskey.accessToken;
    expect(decodeJwt(token)["amr"]).toEqual(["hwk", "user", "mfa"]);
    const renewal = await tab.get(await reauthenticationOptions(app, token));
    const renewed = await app.send(REAUTHENTICATE_WITH_PASSKEY, { passkey: renewal }, { token });
    expect(renewed.errors).toBeUndefined();
    await app.send(DELETE_PASSKEY, { id: passkey.id }, { token });
    expect((await signIn()).errors).toEqual(invalid);
  });

  test("a passkey is the second factor, and answers only for its own account", async () => {
    await register();
    const challenge = await challengeFor(app, user.username);
    const options = await signInOptions(app, challenge);
    const credential = await tab.get(options);
    const { data } = await app.send(VERIFY_PASSKEY, { challenge, credential });
    expect(decodeJwt(data!.verifyPasskey.accessToken)["amr"]).toEqual(["pwd", "hwk", "user", "mfa"]);
    const replayed = await app.send(VERIFY_PASSKEY, { challenge, credential });
    expect(replayed.errors?.[0]?.extensions).toEqual({ code: "INVALID_TOKEN" });

    const { username } = user;
    user = await makeUser(app);
    await register();
    const own = await signInOptions(app, await challengeFor(app, user.username));
    const others = await challengeFor(app, username);
    const foreign = await tab.get({ ...own, challenge: others });
    const answer = await app.send(VERIFY_PASSKEY, { challenge: others, credential: foreign });
    expect(answer.errors).toEqual(invalid);
  });

  test("an authenticator makes one passkey for a user; a second one makes another", async () => {
    await register();
    await expect(register()).rejects.toThrow("The authenticator was previously registered");
    await tab.devtools.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId });
    await tab.addAuthenticator({ transport: "usb" });
    expect((await register("security key")).recoveryCodes).toEqual([]);
    expect((await signIn()).data?.verifyPasskey.user.username).toBe(user.username);
  });

  test("a synced passkey is said to be one", async () => {
    await tab.devtools.send("WebAuthn.removeVirtualAuthenticator", { authenticatorId });
    await tab.addAuthenticator({ synced: true });
    expect((await register()).passkey.synced).toBe(true);
    const { data } = await signIn();
    expect(decodeJwt(data!.verifyPasskey.accessToken)["amr"]).toEqual(["swk", "user", "mfa"]);
  });

  test("a passkey alone must verify the user, whatever the page asks for", async () => {
    await register();
    await tab.devtools.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: false });
    const options = { ...(await signInOptions(app)), userVerification: "discouraged" };
    const credential = await tab.get(options);
    expect((await app.send(VERIFY_PASSKEY, { credential })).errors).toEqual(invalid);
  });

  test("another origin of the same host is rejected", async () => {
    await register();
    await tab.page.goto(await servePage());
    expect((await signIn()).errors).toEqual(invalid);
  });

  test("the browser itself refuses another relying party", async () => {
    await register();
    const options = { ...(await signInOptions(app)), rpId: "example.com" };
    await expect(tab.get(options)).rejects.toThrow('The RP ID "example.com" is invalid for this domain');
  });

  test("a copy of a passkey whose counter is behind is rejected", async () => {
    await register();
    const { credentials } = await tab.devtools.send("WebAuthn.getCredentials", { authenticatorId });
    await signIn();
    await signIn();
    await tab.devtools.send("WebAuthn.clearCredentials", { authenticatorId });
    await tab.devtools.send("WebAuthn.addCredential", { authenticatorId, credential: credentials[0]! });
    expect((await signIn()).errors).toEqual(invalid);
    const last = app.latchkey.db.selectFrom("audit_events").select("details").orderBy("id", "desc");
    const { details } = await last.executeTakeFirstOrThrow();
    expect(JSON.parse(details)).toEqual({ reason: "PASSKEY_COUNTER" });
  });
});
