import { afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Browser, HTTPRequest } from "puppeteer-core";
import { type App, PASSWORD } from "../support/app.js";
import { WRONG } from "../support/attempts.js";
import { registrationOptions } from "../support/authenticator.js";
import { startBrowser } from "../support/browser.js";
import { type Explorer, makeExplorerApp, openExplorer } from "../support/explorer.js";
import { LOGIN, REGISTER, REGISTER_PASSKEY, REVOKE_OTHER_SESSIONS } from "../support/operations.js";
import { makeMfaUser } from "../support/totp.js";
import { makeUser, type SignedIn } from "../support/users.js";

const MINUTES = 60_000;

const AUTHENTICATOR = {
  protocol: "ctap2",
  transport: "internal",
  hasResidentKey: true,
  hasUserVerification: true,
  isUserVerified: true,
  automaticPresenceSimulation: true,
} as const;

describe("the explorer in Chromium", () => {
  let browser: Browser;
  let app: App;
  let origin: string;
  let explorer: Explorer;
  let user: SignedIn;
  beforeAll(async () => {
    [browser, { app, origin }] = await Promise.all([startBrowser(), makeExplorerApp()]);
  });
  beforeEach(async () => {
    user = await makeUser(app);
    explorer = await openExplorer(browser, origin);
  });
  afterEach(async () => {
    const { complaints } = explorer;
    await explorer.close();
    expect(complaints).toEqual([]);
  });

  const meOf = ({ username }: SignedIn) => ({ data: { me: expect.objectContaining({ username }) } });

  test("signs in, runs `me`, and signs out", async () => {
    expect(await explorer.run()).toMatchObject({
      errors: [{ extensions: { code: "UNAUTHENTICATED", reason: "MISSING_TOKEN" } }],
    });
    expect(await explorer.text("#notice p")).toBe("Sign in to run this operation.");
    await explorer.enterPassword(user.username);
    expect(await explorer.text("#open-account")).toMatch(
      new RegExp(`^\\s*${user.username} until \\d\\d:\\d\\d [AP]M\\s*$`),
    );
    expect(await explorer.run()).toMatchObject(meOf(user));
    await explorer.page.click("#open-account");
    expect(await explorer.text("#account dl")).toContain(user.email);
    expect(await explorer.text("#account p")).toMatch(/^The access token is valid until /);
    await explorer.page.click("#sign-out");
    expect(await explorer.text("#open-sign-in")).toBe("Sign in");
    expect((await explorer.run()).errors?.[0]?.extensions).toMatchObject({ code: "UNAUTHENTICATED" });
  });

  test("the notice offers to sign in, and runs the operation again", async () => {
    await explorer.run();
    await explorer.press("Sign in and run");
    await explorer.page.locator("#sign-in [name=username]").fill(user.username);
    await explorer.page.locator("#sign-in [name=password]").fill(PASSWORD);
    const answer = explorer.answer();
    await explorer.page.click("#sign-in .primary");
    expect(await answer).toMatchObject(meOf(user));
  });

  test("by keyboard alone: sign in, and run the operation", async () => {
    const { keyboard } = explorer.page;
    await explorer.page.focus("#open-sign-in");
    await keyboard.press("Enter");
    await keyboard.type(user.username);
    await keyboard.press("Tab");
    await keyboard.type(PASSWORD);
    await keyboard.press("Enter");
    await explorer.text("#open-account");
    await explorer.page.focus(".graphiql-query-editor textarea");
    // The editor does not hold the Tab key.
    await keyboard.press("Tab");
    expect(await focused(explorer)).toBe("Execute query (Ctrl-Enter)");
    const answer = explorer.answer();
    await explorer.page.focus(".graphiql-query-editor textarea");
    await keyboard.down("Control");
    await keyboard.press("Enter");
    await keyboard.up("Control");
    expect(await answer).toMatchObject(meOf(user));
  });

  test("Escape closes the sign-in panel, which forgets what was typed", async () => {
    await explorer.page.click("#open-sign-in");
    await explorer.page.locator("#sign-in [name=password]").fill(PASSWORD);
    await explorer.page.keyboard.press("Escape");
    await explorer.page.click("#open-sign-in");
    const typed = await explorer.page.$eval(
      "#sign-in [name=password]",
      (input) => (input as { value?: string }).value,
    );
    expect(typed).toBe("");
  });

  test("an invalid document is marked, and answered as the server answers it", async () => {
    await explorer.write("operation.graphql", "{ me { user } }");
    await explorer.page.waitForFunction(
      `monaco.editor.getModelMarkers({}).some(({ message }) => message.startsWith('Cannot query field "user"'))`,
    );
    expect(await explorer.run()).toEqual({
      errors: [
        expect.objectContaining({
          message: expect.stringContaining('Cannot query field "user" on type "User".'),
          extensions: { code: "GRAPHQL_VALIDATION_FAILED" },
        }),
      ],
    });
  });

  test("a wrong password, and too many of them, in words", async () => {
    await explorer.enterPassword(user.username, WRONG);
    expect(await explorer.text("#sign-in [role=alert]")).toBe("The username or the password is wrong.");
    for (let n = 0; n < 8; n++) {
      await app.send(LOGIN, { username: user.username, password: WRONG }, {});
      app.clock.advance(1 * MINUTES);
    }
    await app.send(LOGIN, { username: user.username, password: WRONG }, {});
    await explorer.page.click("#sign-in .primary");
    await explorer.page.waitForFunction(
      `/^Too many attempts\\. Try again in \\d+ seconds\\.$/.test(document.querySelector("#sign-in [role=alert]").textContent)`,
    );
    // The same for an operation in the editor, whose answer stays as it is.
    await explorer.page.keyboard.press("Escape");
    await explorer.write(
      "operation.graphql",
      `mutation { login(username: "${user.username}", password: "${WRONG}") { expiresIn } }`,
    );
    const { errors } = await explorer.run();
    expect(errors?.[0]?.extensions).toEqual({ code: "RATE_LIMITED", retryAfter: expect.any(Number) });
    expect(await explorer.text("#notice p")).toMatch(/^Too many attempts\. Try again in \d+ seconds\.$/);
  });

  test("a second factor: a code from the app, then a recovery code", async () => {
    const mfa = await makeMfaUser(app);
    await explorer.enterPassword(mfa.username);
    expect(await explorer.text("#proof .reason")).toBe(
      "The password is correct. This account has a second factor.",
    );
    expect(await explorer.text("#proof label")).toContain("Code from your authenticator app");
    await explorer.prove("000000");
    expect(await explorer.text("#proof [role=alert]")).toBe("The code is wrong, or was used already.");
    await explorer.prove(mfa.code());
    expect(await explorer.text("#open-account")).toContain(mfa.username);

    await explorer.page.click("#open-account");
    await explorer.page.click("#sign-out");
    await explorer.text("#open-sign-in");
    await explorer.enterPassword(mfa.username);
    await explorer.press("Use a recovery code");
    expect(await explorer.text("#proof label")).toContain("Recovery code");
    await explorer.prove(mfa.recoveryCodes[0]!);
    expect(await explorer.run()).toMatchObject(meOf(mfa));
  });

  test("a passkey: as the second factor, and on its own", async () => {
    const authenticator = await explorer.page.createCDPSession();
    await authenticator.send("WebAuthn.enable");
    await authenticator.send("WebAuthn.addVirtualAuthenticator", { options: AUTHENTICATOR });
    const options = await registrationOptions(app, user.token);
    const credential = (await explorer.page.evaluate(`(async () => {
      const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(${JSON.stringify(options)});
      return (await navigator.credentials.create({ publicKey })).toJSON();
    })()`)) as Record<string, unknown>;
    const { errors } = await app.send(REGISTER_PASSKEY, { name: "laptop", credential }, user);
    expect(errors).toBeUndefined();

    await explorer.enterPassword(user.username);
    await explorer.text("#proof h2");
    await explorer.page.click("#proof [data-method=PASSKEY]");
    expect(await explorer.text("#open-account")).toContain(user.username);
    await explorer.page.click("#open-account");
    await explorer.page.click("#sign-out");

    await explorer.text("#open-sign-in");
    await explorer.page.click("#open-sign-in");
    await explorer.page.click("#sign-in [data-method=PASSKEY]");
    expect(await explorer.text("#open-account")).toContain(user.username);
    expect(await explorer.run()).toMatchObject(meOf(user));
  });

  test("the token is renewed when it has expired", async () => {
    await explorer.enterPassword(user.username);
    await explorer.text("#open-account");
    app.clock.advance(16 * MINUTES);
    expect(await explorer.run()).toMatchObject(meOf(user));
  });

  test("an operation that needs a recent authentication asks for it, and runs", async () => {
    await explorer.enterPassword(user.username);
    await explorer.text("#open-account");
    app.clock.advance(11 * MINUTES);
    await explorer.write("operation.graphql", "mutation { startTotpEnrollment { secret } }");
    const refused = explorer.run();
    expect(await explorer.text("#proof h2")).toBe("Confirm it's you");
    await explorer.press("Cancel");
    expect((await refused).errors?.[0]?.extensions).toMatchObject({ code: "REAUTHENTICATION_REQUIRED" });
    expect(await explorer.text("#notice p")).toBe("This operation needs a recent authentication.");

    const answer = explorer.answer();
    await explorer.press("Confirm and run");
    await explorer.prove(PASSWORD);
    expect(await answer).toEqual({ data: { startTotpEnrollment: { secret: expect.any(String) } } });
    expect(await explorer.page.$("#notice:not([hidden])")).toBeNull();
  });

  test("a password is taken as it is typed, spaces included", async () => {
    const password = ` ${PASSWORD} `;
    const { username } = await app.createUser("spaces", password);
    await explorer.enterPassword(username, password);
    await explorer.text("#open-account");
    app.clock.advance(11 * MINUTES);
    await explorer.write("operation.graphql", "mutation { startTotpEnrollment { secret } }");
    const answer = explorer.run();
    await explorer.text("#proof h2");
    await explorer.prove(password);
    expect(await answer).toEqual({ data: { startTotpEnrollment: { secret: expect.any(String) } } });
  });

  test("signing out while the server cannot be reached says so, and can be repeated", async () => {
    await explorer.enterPassword(user.username);
    await explorer.text("#open-account");
    await explorer.page.setOfflineMode(true);
    await explorer.page.click("#open-account");
    await explorer.page.click("#sign-out");
    expect(await explorer.text("#notice p")).toBe(
      "Your session has not ended: when you load the page again, you are signed in. The server cannot be reached.",
    );
    expect(explorer.complaints.splice(0)).toEqual([
      "Failed to load resource: net::ERR_INTERNET_DISCONNECTED",
    ]);
    await explorer.page.setOfflineMode(false);
    const signedOut = explorer.page.waitForResponse(
      (response) => !!response.request().postData()?.includes("logout"),
    );
    await explorer.press("Try again");
    await signedOut;
    await explorer.page.reload();
    expect(await explorer.text("#open-sign-in")).toBe("Sign in");
  });

  test("a sign-in that takes long does not keep the user from another one", async () => {
    let held: HTTPRequest | undefined;
    await explorer.page.setRequestInterception(true);
    explorer.page.on("request", (request) => {
      if (!held && request.postData()?.includes(WRONG)) held = request;
      else void request.continue();
    });
    await explorer.enterPassword(user.username, WRONG);
    await explorer.page.waitForSelector("#sign-in form[aria-busy=true]");
    await explorer.page.keyboard.press("Escape");
    await explorer.enterPassword(user.username);
    expect(await explorer.text("#open-account")).toContain(user.username);
    const late = explorer.page.waitForResponse((response) => response.request() === held);
    await held?.continue();
    await late;
    await explorer.page.click("#open-account");
    await explorer.page.click("#sign-out");
    await explorer.text("#open-sign-in");
    await explorer.page.click("#open-sign-in");
    expect(await explorer.text("#sign-in h2")).toBe("Sign in");
    expect(await explorer.page.$eval("#sign-in [role=alert]", (alert) => alert.textContent)).toBe("");
  });

  test("an `authorization` header that the user types is sent instead of the session's", async () => {
    await explorer.enterPassword(user.username);
    await explorer.text("#open-account");
    await explorer.press("Headers");
    await explorer.write("request-headers.json", '{ "Authorization": "Bearer x" }');
    expect((await explorer.run()).errors?.[0]?.extensions).toMatchObject({ reason: "INVALID_TOKEN" });
    const other = await makeUser(app);
    await explorer.write("request-headers.json", JSON.stringify({ Authorization: `Bearer ${other.token}` }));
    expect(await explorer.run()).toMatchObject(meOf(other));
  });

  test("a session that was ended elsewhere is said to be", async () => {
    await explorer.enterPassword(user.username);
    await explorer.text("#open-account");
    await app.send(REVOKE_OTHER_SESSIONS, {}, user);
    expect((await explorer.run()).errors?.[0]?.extensions).toMatchObject({ code: "UNAUTHENTICATED" });
    expect(await explorer.text("#open-sign-in")).toBe("Sign in");
    expect(await explorer.text("#notice p")).toBe("You are signed out: your session has ended.");
  });

  test("a prepared operation opens with its variables, and leaves what was edited", async () => {
    await explorer.enterPassword(user.username);
    await explorer.text("#open-account");
    await explorer.page.locator(".operations input").fill("nothing");
    expect(await explorer.page.$(".operations li:not([hidden])")).toBeNull();
    await explorer.open("createitem");
    expect(await explorer.read("operation.graphql")).toMatch(/^mutation CreateItem\(/);
    expect(JSON.parse(await explorer.read("variables.json"))).toEqual({
      input: { title: "Buy milk", description: null },
    });
    await explorer.write("variables.json", JSON.stringify({ input: { title: "Buy tea" } }));
    expect(await explorer.run()).toMatchObject({ data: { createItem: { title: "Buy tea" } } });

    await explorer.open("MyItems");
    expect(await explorer.run()).toMatchObject({ data: { myItems: [{ title: "Buy tea" }] } });
    const tabs = await explorer.page.$$eval(".graphiql-tab-button", (all) =>
      all.map(({ textContent }) => textContent),
    );
    expect(tabs).toEqual(["CreateItem", "MyItems"]);
  });

  test("nothing that is typed is kept in the browser", async () => {
    await explorer.enterPassword(user.username);
    await explorer.text("#open-account");
    await explorer.write(
      "operation.graphql",
      `query Secret { passwordStrength(password: "${PASSWORD}") { score } }`,
    );
    await explorer.write("variables.json", JSON.stringify({ password: PASSWORD }));
    await explorer.run();
    const kept = await explorer.page.evaluate(
      "JSON.stringify([location.href, { ...localStorage }, { ...sessionStorage }])",
    );
    expect(kept).not.toMatch(/CANARY|Secret|ey[A-Za-z0-9_-]{20}/);
    await explorer.page.reload();
    await explorer.text(".graphiql-execute-button");
    expect(await explorer.read("operation.graphql")).toMatch(/^query Me/);
    // The session is in a cookie.
    expect(await explorer.text("#open-account")).toContain(user.username);
    expect(await explorer.page.evaluate("document.cookie")).toBe("");
    expect(await explorer.run()).toMatchObject(meOf(user));
  });
});

test("under a name that is not the server's own, it says why there is no session", async () => {
  const [browser, { origin }] = await Promise.all([
    startBrowser(["--host-resolver-rules=MAP other.test 127.0.0.1"]),
    makeExplorerApp(),
  ]);
  const explorer = await openExplorer(browser, origin.replace("localhost", "other.test"));
  expect(await explorer.text("#notice p")).toBe(
    "The session could not be read: This origin may not keep sessions in cookies. Add it to CORS_ORIGINS.",
  );
});

test("a document in the address is opened, not run, and not kept in the address", async () => {
  const [browser, { app, origin }] = await Promise.all([startBrowser(), makeExplorerApp()]);
  const answers = app.seen.filter((line) => line.includes('"operation":"verifyEmail"'));
  const document = 'mutation { verifyEmail(token: "abc") }';
  const search = `?query=${encodeURIComponent(document)}`;
  const explorer = await openExplorer(browser, origin, { search });
  expect(await explorer.read("operation.graphql")).toBe(document);
  expect(explorer.page.url()).toBe(`${origin}/explorer`);
  expect(answers).toEqual([]);
  expect((await explorer.run()).errors?.[0]?.extensions).toEqual({ code: "INVALID_TOKEN" });
  expect(explorer.complaints).toEqual([]);
});

test("the page of emails leads to the operation that takes the token", async () => {
  const [browser, { app, origin }] = await Promise.all([startBrowser(), makeExplorerApp()]);
  const input = { username: "newcomer", email: "newcomer@example.com", password: PASSWORD };
  expect((await app.send(REGISTER, { input })).errors).toBeUndefined();
  await app.latchkey.outbox.deliverDue();
  const explorer = await openExplorer(browser, origin);
  await explorer.page.goto(`${origin}/emails`);
  await explorer.page.locator("::-p-text(Open it in the explorer)").click();
  await explorer.text(".graphiql-execute-button");
  expect(await explorer.run()).toEqual({ data: { verifyEmail: true } });
  expect(explorer.complaints).toEqual([]);
});

test.each([
  ["light", false],
  ["dark", true],
])("on a phone, %s: nothing is cut off, and the panels open and close", async (_scheme, dark) => {
  const [browser, { app, origin }] = await Promise.all([startBrowser(), makeExplorerApp()]);
  const user = await makeUser(app);
  const viewport = { width: 390, height: 844, isMobile: true, hasTouch: true };
  const explorer = await openExplorer(browser, origin, { viewport, dark });
  const { page } = explorer;
  await explorer.enterPassword(user.username);
  await explorer.text("#open-account");
  await page.click("[aria-label='Show Operations']");
  await explorer.open("who is signed in");
  expect(await page.$("[aria-label='Hide Operations']")).toBeNull();
  expect(await explorer.run()).toMatchObject({ data: { me: { username: user.username } } });
  expect(
    await page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"),
  ).toEqual([390, 844]);
  const [background, text] = (await page.evaluate(
    "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]",
  )) as [string, string];
  expect(brightness(background) < brightness(text)).toBe(dark);
  expect(explorer.complaints).toEqual([]);
});

test("offline, Apollo's landing page leads to the explorer", async () => {
  const [browser, { origin }] = await Promise.all([startBrowser(), makeExplorerApp()]);
  const page = await browser.newPage();
  await page.setRequestInterception(true);
  page.on("request", (request) => {
    if (request.url().startsWith(origin)) void request.continue();
    else void request.abort("internetdisconnected");
  });
  await page.goto(`${origin}/graphql`);
  await Promise.all([page.waitForNavigation(), page.locator("::-p-text(Open Latchkey's explorer)").click()]);
  expect(page.url()).toBe(`${origin}/explorer`);
  await page.waitForSelector(".graphiql-execute-button");
});

/** The sum of a colour's parts. */
function brightness(colour: string): number {
  return [...colour.matchAll(/\d+/g)].reduce((sum, [part]) => sum + Number(part), 0);
}

async function focused({ page }: Explorer): Promise<unknown> {
  return page.evaluate("document.activeElement?.ariaLabel");
}
