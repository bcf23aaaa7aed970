import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContext, Page } from "puppeteer-core";
import { closeWithFile } from "./opened.ts";

/** The functions of @simplewebauthn/browser, as the global `SimpleWebAuthnBrowser`. */
const WEBAUTHN = new URL("../dist/bundle/index.umd.min.js", import.meta.resolve("@simplewebauthn/browser"));

const PAGE = `<!doctype html><title>An app</title><script src="/script.js"></script>`;

/** Serves an app's page with a script on http://localhost, on a port of its own. @returns its origin */
export async function servePage(script = readFileSync(fileURLToPath(WEBAUTHN), "utf8")): Promise<string> {
  const server = createServer((request, response) => {
    if (request.url === "/script.js") response.setHeader("content-type", "text/javascript").end(script);
    else response.setHeader("content-type", "text/html").end(PAGE);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closeWithFile(async () => {
    server.closeAllConnections();
    server.close();
  });
  return `http://localhost:${(server.address() as AddressInfo).port}`;
}

/** Starts Chromium, which the npm package unpacks together with the libraries that it needs. */
export async function startBrowser(args: readonly string[] = []): Promise<Browser> {
  const environment = { ...process.env };
  // Read when the package is loaded: it unpacks the libraries only where it takes the system for one that lacks them.
  process.env["AWS_LAMBDA_JS_RUNTIME"] = "nodejs22.x";
  const { default: chromium } = await import("@sparticuz/chromium");
  const { launch } = await import("puppeteer-core");
  const browser = await launch({
    executablePath: await unpackOnce(() => chromium.executablePath()),
    headless: "shell",
    args: ["--no-sandbox", "--no-zygote", "--disable-gpu", "--disable-dev-shm-usage", ...args],
  });
  // The path to the libraries is not meant for other programs that tests start.
  for (const name of Object.keys(process.env)) if (!(name in environment)) delete process.env[name];
  Object.assign(process.env, environment);
  closeWithFile(() => browser.close());
  return browser;
}

/** Lets one process of the run unpack: a program that another process is still writing cannot be started. */
async function unpackOnce<T>(unpack: () => Promise<T>): Promise<T> {
  const [lock, done] = ["chromium-lock", "chromium-done"].map((name) => join(tmpdir(), name)) as [
    string,
    string,
  ];
  try {
    mkdirSync(lock);
  } catch {
    for (const deadline = performance.now() + 60_000; !existsSync(done); await sleep(50))
      if (performance.now() > deadline) throw new Error("Chromium was not unpacked within a minute");
  }
  const path = await unpack();
  writeFileSync(done, "");
  return path;
}

export interface AuthenticatorOptions {
  transport?: "internal" | "usb";
  synced?: boolean;
}

/** A page with virtual authenticators (Web Authentication, 11). */
export async function openPage(browser: Browser | BrowserContext, origin: string) {
  const page = await browser.newPage();
  await page.goto(origin);
  const devtools = await page.createCDPSession();
  await devtools.send("WebAuthn.enable");
  return {
    page,
    devtools,
    /** Adds an authenticator that does what it is asked, without a person. @returns its id */
    async addAuthenticator({ transport = "internal", synced = false }: AuthenticatorOptions = {}) {
      const { authenticatorId } = await devtools.send("WebAuthn.addVirtualAuthenticator", {
        options: {
          protocol: "ctap2",
          transport,
          hasResidentKey: true,
          hasUserVerification: true,
          isUserVerified: true,
          automaticPresenceSimulation: true,
          defaultBackupEligibility: synced,
          defaultBackupState: synced,
        },
      });
      return authenticatorId;
    },
    create: (options: object) => ceremony(page, "startRegistration", options),
    get: (options: object) => ceremony(page, "startAuthentication", options),
  };
}

async function ceremony(page: Page, name: string, optionsJSON: object): Promise<Record<string, unknown>> {
  const run = `SimpleWebAuthnBrowser.${name}({ optionsJSON: ${JSON.stringify(optionsJSON)} })`;
  return (await page.evaluate(run)) as Record<string, unknown>;
}
