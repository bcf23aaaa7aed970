import type { Browser, ElementHandle, Page, Viewport } from "puppeteer-core";
import { type App, makeApp, PASSWORD } from "./app.js";
import { freePort } from "./free-port.ts";

/** Starts an app whose address has a host name, as passkeys need it. @returns it with the origin of its pages */
export async function makeExplorerApp(env: NodeJS.ProcessEnv = {}): Promise<{ app: App; origin: string }> {
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  return { app: await makeApp({ port, env: { PUBLIC_URL: origin, ...env } }), origin };
}

/** Chromium says so itself when a request is answered with an error, as the API does when an operation fails. */
const OWN_MESSAGE = /^Failed to load resource: the server responded with a status of 4\d\d/;

export type Explorer = Awaited<ReturnType<typeof openExplorer>>;

/** Opens the explorer in a browser context of its own. */
export async function openExplorer(
  browser: Browser,
  origin: string,
  { search = "", viewport, dark = false }: { search?: string; viewport?: Viewport; dark?: boolean } = {},
) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  /** Errors and warnings in the console, and requests to other servers. */
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (["error", "warn"].includes(message.type()) && !OWN_MESSAGE.test(message.text()))
      complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin && url.protocol !== "data:") complaints.push(`requested ${url}`);
  });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }]);
  await page.setViewport(viewport ?? { width: 1280, height: 800 });
  await page.goto(`${origin}/explorer${search}`);
  await page.waitForSelector(".graphiql-execute-button");

  return {
    page,
    complaints,
    /** What an editor holds. */
    read: (file: "operation.graphql" | "variables.json" | "response.json") => readModel(page, file),
    /** Replaces what an editor holds, as typing does. */
    async write(
      file: "operation.graphql" | "variables.json" | "request-headers.json",
      text: string,
    ): Promise<void> {
      await page.evaluate(
        `monaco.editor.getModels().find(({ uri }) => uri.path.endsWith("${file}")).setValue(${JSON.stringify(text)})`,
      );
      await pause();
    },
    /** Runs the operation in the editor. @returns the answer that is shown */
    async run(): Promise<Answer> {
      const answered = answerOf(page);
      await page.click(".graphiql-execute-button");
      return answered;
    },
    answer: () => answerOf(page),
    /** The text of an element, once it is visible. */
    async text(selector: string): Promise<string> {
      const element = await page.waitForSelector(selector, { visible: true });
      return element!.evaluate(({ textContent }) => textContent ?? "");
    },
    /** Presses the button with this text, once it is visible. */
    async press(text: string): Promise<void> {
      const button = await page.waitForFunction(`[...document.querySelectorAll("button")]
        .find((button) => button.textContent.trim() === ${JSON.stringify(text)} && button.checkVisibility())`);
      await (button as ElementHandle).click();
    },
    /** Opens a prepared operation. */
    async open(name: string): Promise<void> {
      await page.locator(".operations input").fill(name);
      await page.locator(".operations details[open] li:not([hidden]) button").click();
      await pause();
    },
    /** Fills in the first step of the sign-in dialog. */
    async enterPassword(username: string, password = PASSWORD): Promise<void> {
      await page.click("#open-sign-in");
      await page.locator("#sign-in [name=username]").fill(username);
      await page.locator("#sign-in [name=password]").fill(password);
      await page.click("#sign-in .primary");
    },
    /** Answers the question of the second dialog. */
    async prove(value: string): Promise<void> {
      await page.locator("#proof input").fill(value);
      await page.click("#proof .primary");
    },
    close: () => context.close(),
  };
}

/** GraphiQL reads an editor when the user pauses. */
const pause = () => new Promise((resolve) => setTimeout(resolve, 500));

interface Answer {
  data?: unknown;
  errors?: { message: string; extensions?: Record<string, unknown> }[];
}

/** Clears the response, and waits for the next one to be shown. */
async function answerOf(page: Page): Promise<Answer> {
  const find = `monaco.editor.getModels().find(({ uri }) => uri.path.endsWith("response.json"))`;
  await page.evaluate(`${find}.setValue("")`);
  await page.waitForFunction(`${find}.getValue().startsWith("{")`, { timeout: 20_000 });
  return JSON.parse(await readModel(page, "response.json")) as Answer;
}

async function readModel(page: Page, file: string): Promise<string> {
  const text = await page.evaluate(
    `monaco.editor.getModels().find(({ uri }) => uri.path.endsWith("${file}")).getValue()`,
  );
  return text as string;
}
