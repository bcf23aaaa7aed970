import { mkdtempSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { Page } from "puppeteer-core";
import { createNotesServer } from "../../examples/notes/service/server.ts";
import { makeApp } from "./app.js";
import { fakeDate } from "./fake-date.js";
import { freePort } from "./free-port.js";
import { closeWithFile } from "./opened.ts";
import { startProgram } from "./program.js";

/** Serves the example: its app as built for production, its service, and Latchkey with frozen time. */
export async function serveExample() {
  const [appPort, apiPort, notesPort] = [await freePort(), await freePort(), await freePort()];
  const url = `http://localhost:${appPort}`;
  const apiUrl = `http://localhost:${apiPort}`;
  const env = { PUBLIC_URL: apiUrl, APP_URL: url, CORS_ORIGINS: url };
  const [api] = await Promise.all([
    makeApp({ port: apiPort, env }),
    serveApp(appPort, {
      VITE_LATCHKEY_URL: `${apiUrl}/graphql`,
      VITE_NOTES_URL: `http://localhost:${notesPort}/graphql`,
      VITE_EMAILS_URL: `${apiUrl}/emails`,
    }),
  ]);
  const notes = createNotesServer({ latchkeyUrl: apiUrl, appUrl: url, file: ":memory:" });
  notes.listen(notesPort, "127.0.0.1");
  closeWithFile(() => {
    notes.closeAllConnections();
    notes.close();
  });
  // The service verifies tokens by this process's time.
  fakeDate(api.clock.now());
  return {
    url,
    emailsUrl: `${apiUrl}/emails`,
    api,
    /** Moves the time of both servers. Browsers have their own. */
    advance(milliseconds: number): void {
      api.clock.advance(milliseconds);
      fakeDate(api.clock.now());
    },
  };
}

async function serveApp(port: number, env: NodeJS.ProcessEnv): Promise<void> {
  const vitePackage = createRequire(resolve("examples/notes/package.json")).resolve("vite/package.json");
  const vite = join(dirname(vitePackage), "bin/vite.js");
  const outDir = mkdtempSync(join(tmpdir(), "example-"));
  const run = (...args: string[]) =>
    startProgram(process.execPath, [vite, ...args, "--outDir", outDir], {
      cwd: "examples/notes",
      env: { ...env, NO_COLOR: "1" },
    });
  const { code, stderr } = await run("build").ended;
  if (code !== 0) throw new Error(stderr);
  await run("preview", "--host", "127.0.0.1", "--port", String(port), "--strictPort").printed(/Local:/);
}

/** What a person does on a page, by the names that they read. */
export class Person {
  /** What the page wrote to the console. Chromium reports each answer of 4xx there. */
  readonly errors: string[] = [];

  constructor(readonly page: Page) {
    page.setDefaultTimeout(10_000);
    page.on("pageerror", (error) => this.errors.push(String(error)));
    page.on("console", (message) => {
      const refused = /^Failed to load resource: .* status of 40[013]/.test(message.text());
      if (["error", "warn"].includes(message.type()) && !refused) this.errors.push(message.text());
    });
  }

  async fill(fields: Record<string, string>): Promise<void> {
    for (const [label, value] of Object.entries(fields))
      await this.page.locator(`::-p-aria([name="${label}"][role="textbox"])`).fill(value);
  }

  async press(name: string): Promise<void> {
    await this.page.locator(`::-p-aria([name="${name}"][role="button"])`).click();
  }

  async follow(name: string): Promise<void> {
    await this.page.locator(`::-p-aria([name="${name}"][role="link"])`).click();
  }

  async sees(text: string): Promise<void> {
    await this.page.waitForSelector(`::-p-text(${text})`);
  }
}
