import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Browser, Page } from "puppeteer-core";
import { startBrowser } from "../test/support/browser.ts";
import { closeOpened } from "../test/support/opened.ts";

// Takes the pictures of the documentation: of the built server, with an empty database, in Chromium.

const OUT = "docs/images";
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844, isMobile: true, hasTouch: true };

type Scheme = "light" | "dark";

interface Server {
  process: ChildProcess;
  url: string;
  username: string;
  password: string;
}

function startServer(directory: string): Promise<Server> {
  const child = spawn(process.execPath, [resolve("dist/main.js")], {
    cwd: directory,
    env: { PATH: process.env["PATH"], PORT: "0", LOG_LEVEL: "fatal" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  return new Promise((found, fail) => {
    let text = "";
    child.on("exit", () => fail(new Error(`The server ended:\n${text}`)));
    child.stdout.on("data", (chunk) => {
      text += chunk;
      const [, url, username, password] =
        /(http:\S+)\/explorer[\s\S]*username: (\S+)[\s\S]*password: (\S+)/.exec(text) ?? [];
      if (url && username && password) found({ process: child, url, username, password });
    });
  });
}

async function openExplorer(browser: Browser, url: string, scheme: Scheme, viewport: object): Promise<Page> {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.setViewport({ ...DESKTOP, ...viewport });
  await page.goto(`${url}/explorer`, { waitUntil: "networkidle0" });
  await page.waitForSelector(".graphiql-execute-button");
  return page;
}

async function signIn(page: Page, { username, password }: Server): Promise<void> {
  await page.click("#open-sign-in");
  await page.type("[name=username]", username);
  await page.type("[name=password]", password);
  await page.keyboard.press("Enter");
  await page.waitForSelector("#open-account:not([hidden])");
}

async function run(page: Page): Promise<void> {
  await page.click(".graphiql-execute-button");
  await page.waitForFunction(() =>
    document.querySelector(".graphiql-response")?.textContent?.includes("data"),
  );
  await page.mouse.move(0, 0);
  await new Promise((done) => setTimeout(done, 500));
}

async function take(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(OUT, `${name}.png`) });
  await page.browserContext().close();
}

const directory = mkdtempSync(join(tmpdir(), "latchkey-"));
const server = await startServer(directory);
try {
  mkdirSync(OUT, { recursive: true });
  const browser = await startBrowser();
  for (const scheme of ["light", "dark"] as const) {
    const desktop = await openExplorer(browser, server.url, scheme, DESKTOP);
    await signIn(desktop, server);
    await run(desktop);
    await take(desktop, `explorer-${scheme}`);

    const phone = await openExplorer(browser, server.url, scheme, PHONE);
    await signIn(phone, server);
    await run(phone);
    await take(phone, `explorer-phone-${scheme}`);

    const dialog = await openExplorer(browser, server.url, scheme, PHONE);
    await dialog.click("#open-sign-in");
    await take(dialog, `sign-in-phone-${scheme}`);
  }
} finally {
  await closeOpened();
  server.process.kill();
  rmSync(directory, { recursive: true, force: true });
}
