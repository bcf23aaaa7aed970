import { afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Latchkey } from "@latchkey/client";
import type { Browser, BrowserContext, Page } from "puppeteer-core";
import { MINUTE } from "../../src/clock.js";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { servePage, startBrowser } from "../support/browser.js";
import { bundleClient, openClient, startGateway } from "../support/client-page.js";
import { ME, MY_SESSIONS, REVOKE_OTHER_SESSIONS } from "../support/operations.js";
import { makeUser } from "../support/users.js";

// In the pages.
declare const latchkey: Latchkey;
declare const messages: unknown[];
declare const localStorage: object;

describe("two tabs of an app in Chromium", () => {
  let app: App;
  let browser: Browser;
  let gateway: Awaited<ReturnType<typeof startGateway>>;
  let origin: string;
  let context: BrowserContext;
  let first: Page;
  let second: Page;
  let user: Awaited<ReturnType<typeof makeUser>>;

  beforeAll(async () => {
    origin = await servePage(await bundleClient());
    app = await makeApp({ env: { CORS_ORIGINS: origin } });
    gateway = await startGateway(() => app);
    browser = await startBrowser();
  });
  beforeEach(async () => {
    user = await makeUser(app);
    context = await browser.createBrowserContext();
    first = await openTab();
    second = await openTab();
    await signIn(first, user.username);
    await becomes(second, "signed-in");
    gateway.fields();
  });
  afterEach(() => context.close());

  const openTab = async () => openClient(await context.newPage(), origin, gateway.url);

  const signIn = (page: Page, username: string) =>
    page.evaluate(
      async (username, password) => (await latchkey.signIn(username, password)).step,
      username,
      PASSWORD,
    );
  /** The name of the user that `me` returns, or the reason why there is none. */
  const me = (page: Page) =>
    page.evaluate(async () => {
      try {
        const { me } = await latchkey.request<{ me: { username: string } }>("{ me { username } }");
        return me.username;
      } catch (error) {
        return (error as { extensions: { reason: string } }).extensions.reason;
      }
    });
  const state = (page: Page) =>
    page.evaluate(() => {
      const { state } = latchkey;
      return state.status === "signed-in" ? state.user.username : state;
    });
  const becomes = (page: Page, status: string) =>
    page.waitForFunction((status) => latchkey.state.status === status, { timeout: 10_000 }, status);
  const isOf = (page: Page, username: string) =>
    page.waitForFunction(
      (username) => JSON.stringify(latchkey.state).includes(`"${username}"`),
      { timeout: 10_000 },
      username,
    );

  test("are signed in together, and after a reload, with nothing that a script could steal", async () => {
    expect(await me(second)).toBe(user.username);
    await openClient(second, origin, gateway.url);
    await becomes(second, "signed-in");
    expect(await second.evaluate(() => JSON.stringify(localStorage))).toBe("{}");
    expect(await second.evaluate("document.cookie")).toBe("");
    const [cookie] = await context.cookies();
    expect(cookie).toMatchObject({ name: "latchkey-refresh", httpOnly: true, sameSite: "Strict" });
  });

  test("find the token expired at once, and both go on", async () => {
    for (let round = 0; round < 3; round++) {
      app.clock.advance(16 * MINUTE);
      const pages = [first, second, first, second];
      expect(await Promise.all(pages.map(me))).toEqual(Array(4).fill(user.username));
    }
    expect(gateway.fields().filter((field) => field === "refreshToken").length).toBeLessThanOrEqual(6);
    const { data } = await app.send(MY_SESSIONS, {}, { token: await tokenOf(first) });
    // Beside the one that the user was made with.
    expect(data?.mySessions).toHaveLength(2);
  });

  const tokenOf = async (page: Page) => (await page.evaluate(() => latchkey.accessToken()))!;

  test("are signed out together", async () => {
    await first.evaluate(() => latchkey.signOut());
    await becomes(second, "signed-out");
    expect([await state(first), await state(second)]).toEqual(
      Array(2).fill({ status: "signed-out", reason: "SIGNED_OUT" }),
    );
    expect(await me(second)).toBe("MISSING_TOKEN");
    expect(gateway.fields()).toEqual(["logout", "me"]);
    expect(await context.cookies()).toEqual([]);
    const reloaded = await openTab();
    await becomes(reloaded, "signed-out");
  });

  test("change to another user together, and nothing is done as the wrong one", async () => {
    const other = await makeUser(app);
    await signIn(first, other.username);
    await isOf(second, other.username);
    expect([await me(first), await me(second)]).toEqual([other.username, other.username]);
    expect(await app.send(ME, {}, { token: user.token })).toMatchObject({ data: { me: {} } });
  });

  test("change to another user while the other tab is sending, which is not sent again as that user", async () => {
    const other = await makeUser(app);
    app.clock.advance(16 * MINUTE);
    const { answered, release } = gateway.hold("me");
    const expired = me(second);
    await answered;
    await signIn(first, other.username);
    await isOf(second, other.username);
    release();
    expect(await expired).toBe("TOKEN_EXPIRED");
    expect(gateway.fields().filter((field) => field === "me")).toHaveLength(1);
  });

  test("change to another user while the other tab is refreshing, whose late answer changes nothing", async () => {
    const other = await makeUser(app);
    app.clock.advance(16 * MINUTE);
    const { answered, release } = gateway.hold("refreshToken");
    const expired = me(second);
    await answered;
    await signIn(first, other.username);
    await isOf(second, other.username);
    release();
    expect(await expired).toBe("TOKEN_EXPIRED");
    for (const page of [first, second]) {
      app.clock.advance(16 * MINUTE);
      expect(await me(page)).toBe(other.username);
    }
  });

  test("sign out while the other tab is refreshing, whose late answer changes nothing", async () => {
    app.clock.advance(16 * MINUTE);
    const { answered, release } = gateway.hold("refreshToken");
    const expired = me(second);
    await answered;
    await first.evaluate(() => latchkey.signOut());
    await becomes(second, "signed-out");
    release();
    expect(await expired).toBe("TOKEN_EXPIRED");
    const reloaded = await openTab();
    await becomes(reloaded, "signed-out");
  });

  test("stay signed in when it was an earlier session of the user that ended", async () => {
    const page = await openTab();
    await page.evaluate(
      (url, message) => new BroadcastChannel(`latchkey ${url}`).postMessage(message),
      gateway.url,
      { signedOut: user.id, reason: "SESSION_REVOKED" },
    );
    await first.waitForFunction(() => latchkey.state.status !== "loading");
    expect([await me(first), await me(second)]).toEqual([user.username, user.username]);
    expect([await state(first), await state(second)]).toEqual([user.username, user.username]);
  });

  test("are signed out together when the session is revoked, and say why", async () => {
    await app.send(REVOKE_OTHER_SESSIONS, {}, { token: user.token });
    expect(await me(first)).toBe("SESSION_REVOKED");
    await becomes(second, "signed-out");
    expect([await state(first), await state(second)]).toEqual(
      Array(2).fill({ status: "signed-out", reason: "SESSION_REVOKED" }),
    );
  });

  test("tell each other who signs in and out, and no token", async () => {
    const listener = await openTab();
    await listener.evaluate((url) => {
      Object.assign(globalThis, { messages: [] });
      new BroadcastChannel(`latchkey ${url}`).onmessage = ({ data }) => messages.push(data);
    }, gateway.url);
    await first.evaluate(() => latchkey.signOut());
    await signIn(first, user.username);
    await isOf(listener, user.username);
    expect(await listener.evaluate(() => messages)).toEqual([
      { signedOut: user.id, reason: "SIGNED_OUT" },
      { signedIn: user.id },
    ]);
  });

  test("of an origin that may not keep a session in a cookie say so", async () => {
    const page = await context.newPage();
    await openClient(page, await servePage(await bundleClient()), gateway.url);
    expect(
      await page.evaluate(
        (username, password) => latchkey.signIn(username, password).catch(({ code }) => code),
        user.username,
        PASSWORD,
      ),
    ).toBe("NETWORK_ERROR");
  });
});
