import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Browser, Frame, Page } from "puppeteer-core";
import { type App, makeApp, PASSWORD } from "../support/app.js";
import { startBrowser } from "../support/browser.js";
import { type Arrived, serveHosts } from "../support/https-hosts.js";
import { sessionsOn } from "../support/sessions.js";
import { makeUser } from "../support/users.js";

const API = "https://auth.example.test";
const OWN_APP = "https://app.example.test";
/** A page of the same site whose origin is not in CORS_ORIGINS, so that `SameSite` does not keep the cookie back. */
const SIBLING = "https://shop.example.test";
const OTHER_SITE = "https://evil.test";

interface Sent {
  status?: number;
  data?: Record<string, { accessToken: string; refreshToken: string | null }> | null;
  /** The browser did not let the page send the request, or read its answer. */
  failed?: true;
}

/** Runs in a page. */
async function fetchInPage(url: string, init: RequestInit): Promise<Sent> {
  try {
    const response = await fetch(url, init);
    return { status: response.status, data: ((await response.json()) as Sent).data ?? null };
  } catch {
    return { failed: true };
  }
}

const COOKIE_MODE = { "content-type": "application/json", "latchkey-session": "cookie" };

/** Sends a mutation from a page, as a front end with its session in a cookie does. */
function mutate(page: Page | Frame, query: string, variables = {}) {
  return page.evaluate(fetchInPage, `${API}/graphql`, {
    method: "POST",
    body: JSON.stringify({ query, variables }),
    headers: COOKIE_MODE,
    credentials: "include" as const,
  });
}

const LOGIN =
  "mutation($u:String!,$p:String!){login(username:$u,password:$p){accessToken refreshToken user{id}}}";
const REFRESH = "mutation{refreshToken{accessToken refreshToken user{id}}}";

describe("a session in a cookie, in a browser (row 63)", () => {
  let app: App;
  let browser: Browser;
  let arrived: Arrived[];
  beforeAll(async () => {
    app = await makeApp({ env: { PUBLIC_URL: API, CORS_ORIGINS: OWN_APP } });
    const hosts = await serveHosts(new URL(API).host, app.address);
    arrived = hosts.arrived;
    browser = await startBrowser(hosts.browserArguments);
  });
  afterAll(() => app.close());
  const { reasonFor } = sessionsOn(() => app);

  let page: Page;
  let accessToken: string;
  let userId: string;
  beforeEach(async () => {
    const user = await makeUser(app);
    userId = user.id;
    page = await browser.newPage();
    await page.goto(OWN_APP);
    const { data } = await mutate(page, LOGIN, { u: user.username, p: PASSWORD });
    accessToken = data!["login"]!.accessToken;
    arrived.length = 0;
  });

  async function openPage(origin: string): Promise<Page> {
    const other = await browser.newPage();
    await other.goto(origin);
    return other;
  }

  /** The owner is still signed in as the same user, with the session of before. */
  async function expectUntouched() {
    expect(await reasonFor(accessToken)).toBeUndefined();
    expect(await mutate(page, REFRESH)).toMatchObject({
      data: { refreshToken: { refreshToken: null, user: { id: userId } } },
    });
  }

  test("the app refreshes and logs out with it, and its scripts cannot read it", async () => {
    await expectUntouched();
    expect(await page.evaluate("document.cookie")).toBe("");
    const [cookie, ...others] = await browser.cookies();
    expect(others).toEqual([]);
    expect(cookie).toMatchObject({
      name: "__Host-latchkey-refresh",
      domain: "auth.example.test",
      path: "/",
      httpOnly: true,
      secure: true,
      sameSite: "Strict",
    });
    expect(await mutate(page, "mutation{logout}")).toEqual({ status: 200, data: { logout: true } });
    expect(await browser.cookies()).toEqual([]);
    expect(await reasonFor(accessToken)).toBe("SESSION_REVOKED");
  });

  describe.each([
    ["another site", OTHER_SITE, false],
    ["a sibling domain", SIBLING, true],
  ])("%s", (_name, origin, sameSite) => {
    let attacker: Page;
    beforeEach(async () => {
      attacker = await openPage(origin);
    });

    /** The browser sends the cookie within the site only, and the API changes nothing either way. */
    function expectCookies() {
      const posts = arrived.filter(({ method }) => method !== "OPTIONS");
      expect(posts.length).toBeGreaterThan(0);
      expect(posts.map(({ headers }) => "cookie" in headers)).toEqual(posts.map(() => sameSite));
    }

    test("cannot fetch with credentials: the browser asks first, and the API does not agree", async () => {
      for (const query of [REFRESH, "mutation{logout}"])
        expect(await mutate(attacker, query)).toEqual({ failed: true });
      expect(arrived.map(({ method }) => method)).toEqual(["OPTIONS", "OPTIONS"]);
      await expectUntouched();
    });

    test("gets nothing done by a request that needs no preflight", async () => {
      for (const type of ["text/plain", "application/x-www-form-urlencoded"]) {
        const body = JSON.stringify({ query: "mutation{logout}" });
        const init = { method: "POST", mode: "no-cors", credentials: "include", body } as const;
        await attacker.evaluate(fetchInPage, `${API}/graphql`, {
          ...init,
          headers: { "content-type": type },
        });
      }
      expectCookies();
      await expectUntouched();
    });

    test("gets nothing done by a form", async () => {
      for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
        await attacker.goto(origin);
        const [answer] = await Promise.all([
          attacker.waitForNavigation(),
          attacker.evaluate(submitForm(`${API}/graphql`, type)),
        ]);
        expect(answer?.status()).toBe(415);
      }
      expectCookies();
      await expectUntouched();
    });

    test("gets nothing done by an image", async () => {
      const url = `${API}/graphql?query=${encodeURIComponent("mutation{logout}")}`;
      await attacker.evaluate(loadImage(url));
      expectCookies();
      await expectUntouched();
    });

    test("cannot put a cookie of the same name in its place", async () => {
      const { refreshToken } = await makeUser(app);
      const paths = ["/", "/graphql"];
      for (const name of ["__Host-latchkey-refresh", "__host-latchkey-refresh", "latchkey-refresh"])
        for (const path of paths)
          for (const domain of ["; domain=example.test", "; domain=auth.example.test", ""])
            await attacker.evaluate(
              `document.cookie = "${name}=${refreshToken}; secure; path=${path}${domain}"`,
            );
      expect(await browser.cookies()).toContainEqual(
        expect.objectContaining({ name: "__Host-latchkey-refresh", domain: "auth.example.test" }),
      );
      await expectUntouched();
    });
  });

  test("a sandboxed frame, whose origin is null, gets nothing done", async () => {
    const attacker = await openPage(OWN_APP);
    await attacker.evaluate(ADD_SANDBOXED_FRAME);
    const [, frame] = attacker.frames();
    expect(await mutate(frame!, "mutation{logout}")).toEqual({ failed: true });
    await expectUntouched();
  });
});

const submitForm = (action: string, enctype: string) => `
  const form = Object.assign(document.createElement("form"), { action: "${action}", enctype: "${enctype}", method: "post" });
  const input = { name: '{"query":"mutation{logout}","x":"', value: '"}' };
  form.append(Object.assign(document.createElement("input"), input));
  document.body.append(form);
  form.submit();
`;

const loadImage = (src: string) => `new Promise((resolve) => {
  document.body.append(Object.assign(new Image(), { src: "${src}", onload: resolve, onerror: resolve }));
})`;

const ADD_SANDBOXED_FRAME = `new Promise((resolve) => {
  const frame = document.createElement("iframe");
  frame.sandbox.add("allow-scripts");
  frame.srcdoc = "<!doctype html>";
  frame.onload = () => resolve();
  document.body.append(frame);
})`;
