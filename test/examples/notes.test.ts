import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import type { Browser, BrowserContext } from "puppeteer-core";
import { MINUTE, SECOND } from "../../src/clock.js";
import { NEW_PASSWORD, PASSWORD } from "../support/app.js";
import { openPage, startBrowser } from "../support/browser.js";
import { Person, serveExample } from "../support/example.js";
import { freePort } from "../support/free-port.js";
import { startProgram } from "../support/program.js";
import { totpCode } from "../support/totp.js";

describe("the example", () => {
  let example: Awaited<ReturnType<typeof serveExample>>;
  let browser: Browser;
  beforeAll(async () => {
    [example, browser] = await Promise.all([serveExample(), startBrowser()]);
  });

  const people: Person[] = [];
  afterEach(() => {
    expect(people.splice(0).flatMap(({ errors }) => errors)).toEqual([]);
  });

  /** Opens the app in a tab of a device, which has its own cookies. */
  async function openTab(device: BrowserContext): Promise<Person> {
    const person = new Person(await device.newPage());
    people.push(person);
    await person.page.goto(example.url);
    return person;
  }

  async function signIn(person: Person, username: string, password = PASSWORD): Promise<void> {
    await person.fill({ "Username or email address": username, Password: password });
    await person.press("Sign in");
  }

  /** Follows the link in the latest email, as it is shown in development. */
  async function openEmail(person: Person): Promise<void> {
    await example.api.latchkey.outbox.deliverDue();
    await person.page.goto(example.emailsUrl);
    await person.page.locator("article a").click();
  }

  test("from signing up to being disabled", async () => {
    const { api } = example;
    const device = await browser.createBrowserContext();
    const tab = await openTab(device);
    const otherTab = await openTab(device);

    // Signing up.
    await tab.follow("Create an account");
    const account = { Username: "alice", "Email address": "alice@example.com", Password: "too short" };
    await tab.fill(account);
    await tab.press("Create account");
    await tab.sees("The password must be at least 15 characters; a few words are easiest.");
    await tab.fill({ Password: PASSWORD });
    await tab.press("Create account");
    await tab.sees("Check your email");
    await openEmail(tab);
    await tab.press("Confirm");
    await tab.sees("Your address is confirmed.");
    await tab.follow("Continue");

    // Signing in, in both tabs.
    await signIn(tab, "alice@example.com", "wrong");
    await tab.sees("The username or the password is wrong.");
    await tab.fill({ Password: PASSWORD });
    await tab.press("Sign in");
    await tab.sees("Nothing here yet.");
    await otherTab.sees("Nothing here yet.");
    await tab.fill({ "New item": "Buy milk" });
    await tab.press("Add");
    await tab.sees("Buy milk");

    // The access tokens expire: both tabs go on, at both services.
    example.advance(16 * MINUTE);
    await Promise.all([tab.follow("Notes"), otherTab.follow("Notes")]);
    await Promise.all([tab.sees("Write your first note"), otherTab.sees("Write your first note")]);
    await otherTab.fill({ "New note": "The door code is 1815" });
    await otherTab.press("Add");
    await otherTab.sees("The door code is 1815");

    // An authenticator app, after proving who it is.
    await tab.follow("alice");
    await tab.follow("Security");
    await tab.press("Add an app");
    await tab.sees("Confirm it's you");
    await tab.fill({ Password: PASSWORD });
    await tab.press("Confirm");
    const secret = await tab.page.waitForSelector("code.secret");
    const key = await secret!.evaluate((element) => String(element.textContent));
    const code = () => totpCode(key, api.clock.now());
    await tab.fill({ "Code from your authenticator app": code() });
    await tab.press("Turn on");
    await tab.sees("Keep your recovery codes");
    await tab.press("I have kept them");

    // Signing in with it on another device, and being signed out from there.
    const phone = await openTab(await browser.createBrowserContext());
    async function signInOnPhone(password: string): Promise<void> {
      example.advance(30 * SECOND);
      await signIn(phone, "alice", password);
      await phone.sees("Confirm it's you");
      await phone.fill({ "Code from your authenticator app": code() });
      await phone.press("Sign in");
      await phone.sees("Buy milk");
    }
    await signInOnPhone(PASSWORD);
    await tab.follow("Sessions");
    await tab.press("Sign out there");
    await phone.follow("alice");
    await phone.sees("You were signed out from another device");

    // A new password by email, which signs the other device out.
    await phone.follow("Forgotten your password?");
    await phone.fill({ "Email address": "alice@example.com" });
    await phone.press("Send me a link");
    await phone.sees("we have sent a link");
    await openEmail(phone);
    await phone.fill({ "New password": NEW_PASSWORD });
    await phone.press("Set password");
    await phone.sees("You have a new password");
    await phone.follow("Continue");
    await signInOnPhone(NEW_PASSWORD);
    await otherTab.follow("alice");
    await Promise.all([tab, otherTab].map((each) => each.sees("by a new password")));

    // Disabled by an administrator.
    await api.createUser("carol", PASSWORD, ["ADMIN"]);
    const admin = await openTab(await browser.createBrowserContext());
    await signIn(admin, "carol");
    await admin.follow("Users");
    await admin.press("Disable alice");
    await admin.sees("Disabled");
    await phone.follow("alice");
    await phone.sees("Your account has been disabled.");
    await admin.follow("Audit log");
    await admin.sees("User disabled");
  });

  test("a passkey, instead of a password", async () => {
    await example.api.createUser("dora");
    const { page, addAuthenticator } = await openPage(await browser.createBrowserContext(), example.url);
    const person = new Person(page);
    people.push(person);
    await addAuthenticator();
    await person.press("Sign in with a passkey");
    await person.sees("The passkey was not used.");
    await signIn(person, "dora");
    await person.follow("dora");
    await person.follow("Security");
    await person.fill({ "Name of this device": "My laptop" });
    await person.press("Add a passkey");
    await person.sees("Keep your recovery codes");
    await person.sees("My laptop");
    await person.press("Sign out");
    await person.sees("You have signed out.");
    await person.press("Sign in with a passkey");
    await person.sees("My laptop");

    // As the second step after a password, and to prove again who it is.
    await person.press("Sign out");
    await signIn(person, "dora");
    await person.press("Use a passkey");
    await person.sees("My laptop");
    example.advance(11 * MINUTE);
    await person.press("Remove My laptop");
    await person.sees("You are about to change something important.");
    await person.press("Use a passkey");
    await person.page.waitForSelector("::-p-text(My laptop)", { hidden: true });
  });
});

describe("`npm run example`", () => {
  function start(ports: number[]) {
    const [APP_PORT, LATCHKEY_PORT, NOTES_PORT] = ports.map(String);
    const env = { APP_PORT, LATCHKEY_PORT, NOTES_PORT, DATA: mkdtempSync(join(tmpdir(), "example-")) };
    return startProgram("npm", ["run", "--silent", "example"], { env, detached: true });
  }

  test("serves the app, Latchkey and the notes, and leaves nothing behind", async () => {
    const ports = [await freePort(), await freePort(), await freePort()];
    const [app, latchkey, notes] = ports.map((port) => `http://localhost:${port}`);
    const example = start(ports);
    const [, password] = await example.printed(/username alice, password (\S{20})/);
    expect(await (await fetch(`${app}/sessions`)).text()).toContain(
      '<script type="module" src="/src/main.tsx">',
    );
    const login = await fetch(`${latchkey}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", origin: app! },
      body: JSON.stringify({
        query: 'mutation($p:String!){login(username:"alice",password:$p){accessToken user{roles}}}',
        variables: { p: password },
      }),
    });
    expect(login.headers.get("access-control-allow-origin")).toBe(app);
    const { data } = (await login.json()) as { data: { login: { accessToken: string; user: object } } };
    expect(data.login.user).toEqual({ roles: ["USER", "ADMIN"] });
    const ask = (headers: Record<string, string>) =>
      fetch(`${notes}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify({ query: "{notes{text}}" }),
      });
    expect((await ask({})).status).toBe(401);
    const answer = await ask({ authorization: `Bearer ${data.login.accessToken}` });
    expect(await answer.json()).toEqual({ data: { notes: [] } });

    const second = await start(ports).ended;
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`Port ${ports[0]} is in use. Choose another one, such as APP_PORT=`);

    // As Ctrl-C does.
    process.kill(-example.child.pid!, "SIGINT");
    await example.ended;
    expect(() => process.kill(-example.child.pid!, 0)).toThrow("ESRCH");
  });
});
