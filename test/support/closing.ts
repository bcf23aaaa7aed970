import { afterEach } from "@jest/globals";
import { type App, makeApp } from "./app.js";

/** Returns a `makeApp()` whose apps are closed after the test that opened them, even if it fails. */
export function closingAfterEach(): typeof makeApp {
  const apps: App[] = [];
  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
  });
  return async (options) => {
    const app = await makeApp(options);
    apps.push(app);
    return app;
  };
}
