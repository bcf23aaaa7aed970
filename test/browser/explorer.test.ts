import { afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import type { Browser } from "puppeteer-core";
import { type App, PASSWORD } from "../support/app.js";
import { WRONG } from "../support/attempts.js";
import { startBrowser } from "../support/browser.js";
import { type Explorer, makeExplorerApp, openExplorer } from "../support/explorer.js";
import { LOGIN } from "../support/operations.js";
import { makeMfaUser } from "../support/totp.js";
import { makeUser, type SignedIn } from "../support/users.js";

const MINUTES = 60_000;

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

  test("an invalid document is answered as the server answers it", async () => {
    await explorer.write("operation.graphql", "{ me { user } }");
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
});

async function focused({ page }: Explorer): Promise<unknown> {
  return page.evaluate("document.activeElement?.ariaLabel");
}
