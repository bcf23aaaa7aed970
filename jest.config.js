/** Jest on Node's own modules: see test/support/jest/. */
export default {
  testEnvironment: "<rootDir>/test/support/jest/environment.ts",
  testRunner: "<rootDir>/test/support/jest/runner.ts",
  roots: ["<rootDir>/test"],
  testMatch: ["**/*.test.ts"],
  transform: {},
  extensionsToTreatAsEsm: [".ts"],
  injectGlobals: false,
  setupFilesAfterEnv: ["<rootDir>/test/support/each-file.ts"],
  globalSetup: "<rootDir>/test/support/global-setup.ts",
  globalTeardown: "<rootDir>/test/support/global-teardown.ts",
  // Many tests wait: with as many as there are cores, some of them idle.
  maxWorkers: 3,
  // Also keeps Jest from running files in its own process, where a watched file would be loaded only once.
  workerIdleMemoryLimit: "1GB",
  testTimeout: 60_000,
  // A worker frees a large heap when it ends: on a busy machine that takes longer than Jest's half a second.
  workerGracefulExitTimeout: 10_000,
};
