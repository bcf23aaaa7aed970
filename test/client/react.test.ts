import { beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Latchkey } from "@latchkey/client";
import type { Browser, Page } from "puppeteer-core";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { servePage, startBrowser } from "../support/browser.js";
import { bundleClient, startGateway } from "../support/client-page.js";
import { RECENT } from "../support/sessions.js";
import { makeUser } from "../support/users.js";

/** An app in React's strict mode. */
const APP = `
  import { createElement as h, StrictMode } from "react";
  import { createRoot } from "react-dom/client";
  import { renderToString } from "react-dom/server.browser";
  import { createLatchkey } from "@latchkey/client";
  import {
    createReauthenticationPrompt, LatchkeyProvider, SignedIn, SignedOut, useLatchkey, useReauthentication,
    useSession, useUser,
  } from "@latchkey/client/react";

  const prompt = createReauthenticationPrompt();
  let latchkey;

  function Session() {
    return h("p", { id: "session" }, useSession().status);
  }
  function Name() {
    return h("p", { id: "name" }, useUser()?.username ?? "nobody");
  }
  function Dialog() {
    const latchkey = useLatchkey();
    const pending = useReauthentication(prompt);
    if (!pending) return null;
    async function submit() {
      await latchkey.reauthenticate({ password: ${JSON.stringify(PASSWORD)} });
      pending.done();
    }
    return h("div", {},
      h("p", { id: "asked" }, pending.methods.join()),
      h("button", { id: "submit", onClick: submit }),
      h("button", { id: "cancel", onClick: pending.cancel }));
  }
  const App = () =>
    h(LatchkeyProvider, { client: latchkey },
      h(Session), h(Name), h(Dialog),
      h(SignedIn, {}, (user) => h("p", { id: "in" }, user.email)),
      h(SignedIn, {}, h("p", { id: "also-in" }, "in")),
      h(SignedOut, {}, h("p", { id: "out" }, "out")));

  export function start(url) {
    latchkey = createLatchkey({ url, reauthenticate: prompt.reauthenticate });
    globalThis.latchkey = latchkey;
    globalThis.errors = [];
    console.error = (...args) => globalThis.errors.push(args.join(" "));
    const root = createRoot(document.body.appendChild(document.createElement("main")));
    root.render(h(StrictMode, {}, h(App)));
  }
  export const rendered = () => renderToString(h(App));
  export const orphan = () => renderToString(h(Session));
`;

// In the page.
declare const client: { start(url: string): void; rendered(): string; orphan(): string };
declare const latchkey: Latchkey;
declare const errors: string[];
declare const document: { querySelectorAll(selector: string): Iterable<{ textContent: string }> };

describe("React in Chromium", () => {
  let app: App;
  let browser: Browser;
  let gateway: Awaited<ReturnType<typeof startGateway>>;
  let origin: string;
  let page: Page;
  let user: Awaited<ReturnType<typeof makeUser>>;

  beforeAll(async () => {
    origin = await servePage(await bundleClient(APP));
    app = await makeApp({ env: { CORS_ORIGINS: origin } });
    gateway = await startGateway(() => app);
    browser = await startBrowser();
  });
  beforeEach(async () => {
    user = await makeUser(app);
    page = await (await browser.createBrowserContext()).newPage();
    await page.goto(origin);
    gateway.fields();
    await page.evaluate((url) => client.start(url), gateway.url);
  });

  const shows = (selector: string, text: string) =>
    page.waitForFunction(
      (selector, text) => [...document.querySelectorAll(selector)][0]?.textContent === text,
      { timeout: 10_000 },
      selector,
      text,
    );
  const signIn = () =>
    page.evaluate(
      async (username, password) => (await latchkey.signIn(username, password)).step,
      user.username,
      PASSWORD,
    );
  const texts = () =>
    page.evaluate(() => [...document.querySelectorAll("p")].map(({ textContent }) => textContent));

  test("shows who is signed in, and asks the server once", async () => {
    await shows("#out", "out");
    expect(await texts()).toEqual(["signed-out", "nobody", "out"]);
    expect(gateway.fields()).toEqual(["refreshToken"]);
    await signIn();
    await shows("#in", user.email);
    expect(await texts()).toEqual(["signed-in", user.username, user.email, "in"]);
    await page.evaluate(() => latchkey.signOut());
    await shows("#out", "out");
    expect(await texts()).toEqual(["signed-out", "nobody", "out"]);
    expect(await page.evaluate(() => errors)).toEqual([]);
  });

  test("on a server renders what is loading", async () => {
    await signIn();
    const html = await page.evaluate(() => client.rendered());
    expect(html).toBe('<p id="session">loading</p><p id="name">nobody</p>');
  });

  test("without a provider says so", async () => {
    await expect(page.evaluate(() => client.orphan())).rejects.toThrow(
      "There is no <LatchkeyProvider> around this component.",
    );
  });

  test("asks for a recent authentication in a dialog", async () => {
    await signIn();
    app.clock.advance(RECENT + 1000);
    const start = () =>
      page.evaluate(() =>
        latchkey.request("mutation { startTotpEnrollment { secret } }").then(
          () => "OK",
          ({ code }) => code,
        ),
      );
    const cancelled = start();
    await shows("#asked", "PASSWORD");
    await page.click("#cancel");
    expect(await cancelled).toBe("REAUTHENTICATION_REQUIRED");
    const done = start();
    await shows("#asked", "PASSWORD");
    await page.click("#submit");
    expect(await done).toBe("OK");
    expect(await page.evaluate(() => errors)).toEqual([]);
  });
});
